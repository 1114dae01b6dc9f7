# The outside libraries, each behind one target. Their headers count as system headers: warnings
# in them are not ours.

# Header-only libraries are the same for every processor, so a cross build takes the host's.
function(bonsai_header_library target header)
  find_path(${target}_dir ${header} PATH_SUFFIXES ${ARGN} NO_CMAKE_FIND_ROOT_PATH)
  mark_as_advanced(${target}_dir)
  if(NOT ${target}_dir)
    message(FATAL_ERROR "${header} not found: run `make setup`")
  endif()
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE $<BUILD_INTERFACE:${${target}_dir}>)
endfunction()

bonsai_header_library(bonsai_json nlohmann/json.hpp)
bonsai_header_library(bonsai_stb stb_image.h stb)
bonsai_header_library(bonsai_cli11 CLI/CLI.hpp)

# OpenBLAS by full path, from the folder of its pthread flavour: Debian's alternatives may point
# the plain name at the serial flavour, whose results are wrong when several threads call it.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND AND NOT CMAKE_CROSSCOMPILING)
  pkg_check_modules(PC_OPENBLAS QUIET openblas)
endif()
set(openblas_hints ${PC_OPENBLAS_LIBDIR} /opt/homebrew/opt/openblas /usr/local/opt/openblas)
find_library(BONSAI_OPENBLAS_LIBRARY openblas HINTS ${openblas_hints}
             PATH_SUFFIXES openblas-pthread lib)
find_path(BONSAI_OPENBLAS_INCLUDE openblas_config.h
          HINTS ${PC_OPENBLAS_INCLUDEDIR} ${openblas_hints}
          PATH_SUFFIXES openblas-pthread include openblas)
mark_as_advanced(BONSAI_OPENBLAS_LIBRARY BONSAI_OPENBLAS_INCLUDE)
if(NOT BONSAI_OPENBLAS_LIBRARY OR NOT BONSAI_OPENBLAS_INCLUDE)
  message(FATAL_ERROR "OpenBLAS not found: run `make setup`")
endif()
add_library(bonsai_openblas INTERFACE)
target_include_directories(bonsai_openblas SYSTEM INTERFACE
                           $<BUILD_INTERFACE:${BONSAI_OPENBLAS_INCLUDE}>)
target_link_libraries(bonsai_openblas INTERFACE ${BONSAI_OPENBLAS_LIBRARY})
