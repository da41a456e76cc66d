# muster_options(TARGET): what all code of ours is compiled with.
function(muster_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(
    ${target}
    PRIVATE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wno-missing-field-initializers
            $<$<BOOL:${MUSTER_WARNINGS_AS_ERRORS}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION
                                              VERSION_LESS 13)
    # Sees overlaps in the moves of strings that it has inlined (PR105651).
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Wno-restrict>)
  endif()
  if(CCACHE_PROGRAM AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Lets ccache see which precompiled header was used.
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
  if(MUSTER_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${MUSTER_SANITIZE}
                                            -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${MUSTER_SANITIZE})
  endif()
endfunction()

# muster_layer(NAME SOURCES...): the library of one folder.
function(muster_layer name)
  add_library(muster_${name} ${ARGN})
  add_library(muster::${name} ALIAS muster_${name})
  set_target_properties(muster_${name} PROPERTIES EXPORT_NAME ${name}
                                                  POSITION_INDEPENDENT_CODE ON)
  target_include_directories(
    muster_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
           $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/muster>)
  muster_options(muster_${name})
endfunction()
