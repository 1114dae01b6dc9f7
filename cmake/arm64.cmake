# Cross-builds for 64-bit ARM (Raspberry Pi 3 and later) with Debian's compiler and multiarch
# libraries. No sysroot and no -L: the cross compiler knows the multiarch folders, and mixing in
# the cross loader makes programs hang under qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# OpenBLAS's own threads spin for ever under qemu-user.
set(CMAKE_CROSSCOMPILING_EMULATOR env OPENBLAS_NUM_THREADS=1 qemu-aarch64)
