# What every target of this project shares: the language, the warnings, the sanitizers, and where
# its output goes.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Shared libraries (BUILD_SHARED_LIBS, as the debug preset has it) may not leave a symbol open, so
# that the linker refuses a folder that calls one above it.
if(NOT APPLE)
  string(APPEND CMAKE_SHARED_LINKER_FLAGS " -Wl,--no-undefined")
endif()
# OpenBLAS's pthread flavour lies in its own folder; the installed program must find that one too,
# not the one the system's alternatives point to.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

find_program(BONSAI_CCACHE ccache)
mark_as_advanced(BONSAI_CCACHE)
if(BONSAI_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BONSAI_CCACHE})
endif()

# Sets the common flags of one target.
function(bonsai_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # The instruction set stays the baseline of the processor family: kernels choose theirs at run
  # time. Never -ffast-math: results must not depend on how the compiler regroups a sum.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                         -Wno-sign-conversion
                         # GCC 12 and 13 see overlaps in std::string's own code (PR 105329).
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${BONSAI_WERROR}>:-Werror>)
  if(BONSAI_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${BONSAI_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${BONSAI_SANITIZE})
  endif()
endfunction()

# Collects the sources of some folders of the project.
function(bonsai_sources result)
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/)
  list(TRANSFORM ARGN APPEND /*.cpp)
  file(GLOB sources CONFIGURE_DEPENDS ${ARGN})
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# bonsai_library(<name> <folder>...): the library bonsai_<name>. Includes are written from the
# root of the repository; installed, that root is include/bonsai.
function(bonsai_library name)
  bonsai_sources(sources ${ARGN})
  add_library(bonsai_${name} ${sources})
  add_library(bonsai::${name} ALIAS bonsai_${name})
  bonsai_flags(bonsai_${name})
  target_include_directories(bonsai_${name} PUBLIC
                             $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/bonsai>)
endfunction()
