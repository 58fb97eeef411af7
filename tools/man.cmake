# The man pages, compressed, in build/.../man, where scdoc is; cmake --install puts them where man looks.
find_program(SCDOC scdoc)
if(NOT SCDOC)
  message(STATUS "scdoc is missing: no man pages")
  return()
endif()
set(usher_man ${PROJECT_BINARY_DIR}/man)
set(usher_man_sources ${usher_public_headers})
if(USHER_TOOLS)
  list(APPEND usher_man_sources ${PROJECT_SOURCE_DIR}/tools/usher/usher.1.scd
    ${PROJECT_SOURCE_DIR}/tools/usherd/usherd.8.scd ${PROJECT_SOURCE_DIR}/tools/usherd/usherd.conf.5.scd)
endif()
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/man.stamp
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/man_pages.py --scdoc ${SCDOC}
          --version ${PROJECT_VERSION} --out ${usher_man} ${usher_man_sources}
  COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/man.stamp
  DEPENDS ${usher_man_sources} ${PROJECT_SOURCE_DIR}/tools/man_pages.py VERBATIM)
add_custom_target(man ALL DEPENDS ${PROJECT_BINARY_DIR}/man.stamp)
install(DIRECTORY ${usher_man}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT development)
if(USHER_TOOLS)
  install(DIRECTORY ${usher_man}/man1 ${usher_man}/man5 ${usher_man}/man8
    DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT programs)
endif()
