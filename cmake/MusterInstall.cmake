include(CMakePackageConfigHelpers)

add_library(muster_all INTERFACE)
add_library(muster::muster ALIAS muster_all)
set_target_properties(muster_all PROPERTIES EXPORT_NAME muster)
target_link_libraries(muster_all INTERFACE muster_runtime)

# What plug-ins are built with: headers alone.
add_library(muster_plugin INTERFACE)
add_library(muster::plugin ALIAS muster_plugin)
set_target_properties(muster_plugin PROPERTIES EXPORT_NAME plugin)
target_compile_features(muster_plugin INTERFACE cxx_std_20)
target_include_directories(
  muster_plugin
  INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
            $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/muster>)

install(
  TARGETS muster_persistence muster_actors muster_runtime muster_all
          muster_plugin
  EXPORT muster-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
file(RELATIVE_PATH prefix_from_pc
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
if(BUILD_SHARED_LIBS)
  set(pc_private "\nLibs.private:")
endif()
# In two steps: where CAF is, only the generator knows.
configure_file(${PROJECT_SOURCE_DIR}/cmake/muster.pc.in
               ${PROJECT_BINARY_DIR}/muster.pc.in @ONLY)
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/muster.pc
     INPUT ${PROJECT_BINARY_DIR}/muster.pc.in)
install(FILES ${PROJECT_BINARY_DIR}/muster.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS muster RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(folder persistence actors runtime)
  install(
    DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster
    FILES_MATCHING
    PATTERN "*.hpp")
endforeach()

install(FILES ${PROJECT_BINARY_DIR}/generated/muster_version.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)
install(EXPORT muster-targets NAMESPACE muster:: DESTINATION ${config_dir})
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/muster-config.cmake.in
  ${PROJECT_BINARY_DIR}/muster-config.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/muster-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/muster-config.cmake
        ${PROJECT_BINARY_DIR}/muster-config-version.cmake
        ${PROJECT_SOURCE_DIR}/cmake/FindLMDB.cmake
        ${PROJECT_SOURCE_DIR}/cmake/FindLibEdit.cmake
        ${PROJECT_SOURCE_DIR}/cmake/FindRaft.cmake
  DESTINATION ${config_dir})
