# `cmake --install`: the command, the libraries, and their headers under include/bonsai with the
# same paths as here. Another project then writes
#   find_package(bonsai REQUIRED)
#   target_link_libraries(mine PRIVATE bonsai::zoo bonsai::compress)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bonsai)
set(parts engine data layers compress zoo openblas json stb)
set(libraries ${parts})
list(TRANSFORM libraries PREPEND bonsai_)
foreach(part IN LISTS parts)
  set_target_properties(bonsai_${part} PROPERTIES EXPORT_NAME ${part})
endforeach()
install(TARGETS ${libraries} EXPORT bonsai)
install(TARGETS bonsai)
install(DIRECTORY engine data layers compress zoo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bonsai
        FILES_MATCHING PATTERN *.h)
install(EXPORT bonsai NAMESPACE bonsai:: FILE bonsaiTargets.cmake DESTINATION ${package_dir})

file(WRITE ${PROJECT_BINARY_DIR}/bonsaiConfig.cmake
     "include(CMakeFindDependencyMacro)\n"
     "find_dependency(Threads)\n"
     "include(\${CMAKE_CURRENT_LIST_DIR}/bonsaiTargets.cmake)\n")
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bonsaiConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bonsaiConfig.cmake
              ${PROJECT_BINARY_DIR}/bonsaiConfigVersion.cmake
        DESTINATION ${package_dir})
