# What `cmake --install` puts where: the library, its headers, usher.pc and a CMake package. Two
# components: `library` is what programs run with, `development` what they are built with.
include(CMakePackageConfigHelpers)
set(usher_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/usher)
install(TARGETS usher_sspi usher_sspi_static usher_windows EXPORT usherTargets
  LIBRARY COMPONENT library NAMELINK_COMPONENT development ARCHIVE COMPONENT development)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  # The machine code of the static library is for any compiler, and linking it takes no minute. What GCC
  # keeps beside it for LTO is for this one GCC.
  install(CODE "get_filename_component(folder ${CMAKE_INSTALL_LIBDIR} ABSOLUTE BASE_DIR \${CMAKE_INSTALL_PREFIX})
    execute_process(COMMAND ${CMAKE_OBJCOPY} --wildcard --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
      --strip-symbol=__gnu_lto_* \$ENV{DESTDIR}\${folder}/libusher.a COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT development)
endif()
install(FILES ${usher_public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/usher COMPONENT development)
install(FILES ${usher_windows_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/usher/windows COMPONENT development)
install(FILES SSPI.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)  # Man pages name it.
install(EXPORT usherTargets NAMESPACE usher:: DESTINATION ${usher_package_folder} COMPONENT development)
if(URING_FOUND)
  string(APPEND usher_pc_libs " -luring")
  list(APPEND usher_pc_targets PkgConfig::URING)
  set(usher_uring_dependency "pkg_check_modules(URING QUIET IMPORTED_TARGET liburing>=2.3)\n  ")
endif()
if(usher_winbind)
  string(APPEND usher_pc_libs " -lwbclient")
  list(APPEND usher_pc_targets PkgConfig::WBCLIENT)
  set(usher_winbind_dependency "pkg_check_modules(WBCLIENT QUIET IMPORTED_TARGET wbclient>=0.12)")
endif()
if(usher_ipsec_mb)
  string(APPEND usher_pc_libs " -lIPSec_MB")
endif()
configure_package_config_file(usherConfig.cmake.in usherConfig.cmake
  INSTALL_DESTINATION ${usher_package_folder})
write_basic_package_version_file(usherConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/usherConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/usherConfigVersion.cmake
  DESTINATION ${usher_package_folder} COMPONENT development)

# usher.pc finds its own prefix, so that an installed tree may be moved.
file(RELATIVE_PATH usher_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(usher.pc.in usher.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/usher.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
