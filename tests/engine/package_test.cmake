# cpack makes Debian packages that lintian accepts, that know nothing of the machine they were built on,
# and that are enough to build and run a caller with. Arguments: BUILD, SOURCE, WORK, CPACK, LINTIAN,
# DPKG_DEB, and those of installed.cmake.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/installed.cmake)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${CPACK} --config ${BUILD}/CPackConfig.cmake -B ${WORK}/packages)
file(GLOB packages ${WORK}/packages/*.deb)
list(LENGTH packages count)
if(NOT count EQUAL 3)
  message(FATAL_ERROR "three packages, not: ${packages}")
endif()
run(${LINTIAN} --allow-root --fail-on error,warning ${packages})

foreach(package ${packages})
  run(${DPKG_DEB} -x ${package} ${WORK}/root)
endforeach()
foreach(path ${BUILD} ${SOURCE})
  execute_process(COMMAND grep -rlaF ${path} ${WORK}/root OUTPUT_VARIABLE found)
  if(found)
    message(FATAL_ERROR "${path} is named in\n${found}")
  endif()
endforeach()
foreach(file bin/usher sbin/usherd lib/systemd/system/usherd.service share/man/man1/usher.1.gz
        share/man/man8/usherd.8.gz share/man/man5/usherd.conf.5.gz share/man/man3/AcceptSecurityContext.3.gz)
  if(NOT EXISTS ${WORK}/root/usr/${file})
    message(FATAL_ERROR "no package has ${file}")
  endif()
endforeach()
run(${WORK}/root/usr/bin/usher --version)
run(${WORK}/root/usr/sbin/usherd --version)
build_consumer(${WORK}/root/usr ${WORK}/build)
