# Finds libraft and the libuv that it runs on: imported target Raft::Raft.
find_path(RAFT_INCLUDE_DIR raft/uv.h)
find_library(RAFT_LIBRARY raft)
find_path(UV_INCLUDE_DIR uv.h)
find_library(UV_LIBRARY uv)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Raft REQUIRED_VARS RAFT_LIBRARY RAFT_INCLUDE_DIR UV_LIBRARY UV_INCLUDE_DIR)
if(Raft_FOUND AND NOT TARGET Raft::Raft)
  add_library(Raft::Raft UNKNOWN IMPORTED)
  set_target_properties(
    Raft::Raft
    PROPERTIES IMPORTED_LOCATION ${RAFT_LIBRARY}
               INTERFACE_INCLUDE_DIRECTORIES
               "${RAFT_INCLUDE_DIR};${UV_INCLUDE_DIR}"
               INTERFACE_LINK_LIBRARIES ${UV_LIBRARY})
endif()
mark_as_advanced(RAFT_INCLUDE_DIR RAFT_LIBRARY UV_INCLUDE_DIR UV_LIBRARY)
