# cpack, in a build folder, makes three Debian packages of it: libusher0, libusher-dev and usher. What
# only they contain is EXCLUDE_FROM_ALL: cmake --install leaves it out, unless a --component is named.
find_program(GZIP gzip)
find_program(DPKG dpkg)
if(NOT GZIP OR NOT DPKG)
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME usher)
set(CPACK_PACKAGE_VENDOR Usher)
set(CPACK_PACKAGE_CONTACT "Usher's maintainers <maintainers@usher.example>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL library development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 0upstream1)  # Debian's own packages begin at 1 and are newer.
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(usher_deb ${CMAKE_CURRENT_LIST_DIR})
set(usher_deb_made ${PROJECT_BINARY_DIR}/deb)
set(usher_deb_version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(usher_deb_cpu)
if(CMAKE_CXX_FLAGS MATCHES "-march=x86-64-v2")  # Installs nowhere without such a CPU.
  set(usher_deb_cpu sse4.2-support)
endif()

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libusher0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS ${usher_deb_cpu})
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "server side of Windows' SSPI: Negotiate, Kerberos, NTLM
AcceptSecurityContext and what belongs to it, with Windows' names, types and
numbers: SPNEGO over Kerberos and NTLM, for servers. It reads a keytab once,
allocates once, and then signs clients on without a heap call, a system call or
a lock.

This package has the shared library.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libusher-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "libusher0 (= ${usher_deb_version}), libssl-dev, libkrb5-dev, libutf8proc-dev")
if(URING_FOUND)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", liburing-dev")
endif()
if(usher_winbind)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", libwbclient-dev")
endif()
if(usher_ipsec_mb)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", libipsec-mb-dev")
endif()
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "server side of Windows' SSPI: development files
AcceptSecurityContext and what belongs to it, with Windows' names, types and
numbers: SPNEGO over Kerberos and NTLM, for servers.

This package has headers, the static library, usher.pc, a CMake package, and a
manual page of each function.")
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME usher)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
if(usher_deb_cpu)
  string(APPEND CPACK_DEBIAN_PROGRAMS_PACKAGE_DEPENDS ", ${usher_deb_cpu}")
endif()
set(CPACK_DEBIAN_PROGRAMS_DESCRIPTION "answers web servers who signs on with Negotiate
usherd is an HTTP server that a proxy asks about each request (nginx'
auth_request, and what works like it): who is this client? It answers for
Kerberos and NTLM, and reads keytabs and accounts again when they change.

usher looks into tokens, and replays recorded exchanges to say why one was
refused.")

# usher_deb_documents(COMPONENT PACKAGE) installs what every package must have.
file(READ ${usher_deb}/changelog usher_deb_changelog)
if(NOT usher_deb_changelog MATCHES "^usher \\(${PROJECT_VERSION}-0upstream1\\)")
  message(FATAL_ERROR "tools/deb/changelog does not begin with version ${usher_deb_version}")
endif()
file(MAKE_DIRECTORY ${usher_deb_made})
execute_process(COMMAND ${GZIP} -9nc ${usher_deb}/changelog
  OUTPUT_FILE ${usher_deb_made}/changelog.Debian.gz COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${GZIP} -9nc ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  OUTPUT_FILE ${usher_deb_made}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${usher_deb}/changelog ${PROJECT_SOURCE_DIR}/CHANGELOG.md)
function(usher_deb_documents component package)
  install(FILES ${usher_deb_made}/changelog.Debian.gz ${usher_deb_made}/changelog.gz ${usher_deb}/copyright
    DESTINATION share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
  if(EXISTS ${usher_deb}/${package}.lintian-overrides)
    install(FILES ${usher_deb}/${package}.lintian-overrides DESTINATION share/lintian/overrides RENAME ${package}
      COMPONENT ${component} EXCLUDE_FROM_ALL)
  endif()
endfunction()
usher_deb_documents(library libusher0)
usher_deb_documents(development libusher-dev)

# cpack strips programs and shared libraries only.
install(CODE "execute_process(COMMAND ${CMAKE_STRIP} --strip-debug --remove-section=.comment --remove-section=.note
    \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libusher.a COMMAND_ERROR_IS_FATAL ANY)"
  COMPONENT development EXCLUDE_FROM_ALL)

# Since which version libusher.so.0 has each function: all of the version script's node of 0.1.0.
file(STRINGS ${PROJECT_SOURCE_DIR}/engine/libusher.map usher_deb_nodes REGEX "[{]")
if(NOT usher_deb_nodes STREQUAL "USHER_0 {")
  message(FATAL_ERROR "engine/libusher.map has other nodes than USHER_0: say here since when its functions are there")
endif()
file(STRINGS ${PROJECT_SOURCE_DIR}/engine/libusher.map usher_deb_lines REGEX "^    [A-Za-z_]+;$")
set(usher_deb_symbols "libusher.so.0 libusher0 #MINVER#\n USHER_0@USHER_0 0.1.0\n")
foreach(line ${usher_deb_lines})
  string(REGEX REPLACE "[ ;]" "" name "${line}")
  string(APPEND usher_deb_symbols " ${name}@USHER_0 0.1.0\n")
endforeach()
file(WRITE ${usher_deb_made}/symbols "${usher_deb_symbols}")
file(WRITE ${usher_deb_made}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${usher_deb_made}/symbols ${usher_deb_made}/triggers)

if(USHER_TOOLS)
  list(APPEND CPACK_COMPONENTS_ALL programs)
  usher_deb_documents(programs usher)
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_CONTROL_EXTRA
    ${usher_deb}/postinst ${usher_deb}/prerm ${usher_deb}/postrm)
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_CONTROL_STRICT_PERMISSION ON)
endif()
include(CPack)
