# What tests of an installed tree share; included.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${result}\n${output}")
  endif()
endfunction()

# build_consumer(PREFIX FOLDER) builds and runs somebody else's projects against an installed tree, in
# every way, and looks what it has to be run with. Variables: PROGRAM, C_FLAGS, C_COMPILER, CXX_COMPILER, READELF.
function(build_consumer prefix folder)
  file(GLOB pkgconfig ${prefix}/lib*/pkgconfig ${prefix}/lib*/*/pkgconfig)
  # The shared library is enough where nothing else is installed to build with.
  run(${CMAKE_COMMAND} -E env PKG_CONFIG_LIBDIR=${pkgconfig} pkg-config --cflags --libs usher)
  set(ENV{PKG_CONFIG_PATH} ${pkgconfig})
  set(arguments -G Ninja -DCMAKE_PREFIX_PATH=${prefix} -DPROGRAM=${PROGRAM} -DCMAKE_C_COMPILER=${C_COMPILER}
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_C_FLAGS=${C_FLAGS} -DCMAKE_CXX_FLAGS=${C_FLAGS})
  foreach(consumer consumer consumer/c_only consumer/shared_only)
    get_filename_component(name ${consumer} NAME)
    run(${CMAKE_COMMAND} ${arguments} -S ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${consumer} -B ${folder}/${name})
    run(${CMAKE_COMMAND} --build ${folder}/${name})
    run(${CMAKE_CTEST_COMMAND} --test-dir ${folder}/${name} --output-on-failure --no-tests=error)
  endforeach()
  foreach(program c_shared c_pc_shared cxx_shared cxx_pc_shared c_static c_pc_static cxx_static cxx_pc_static)
    execute_process(COMMAND ${READELF} -d ${folder}/consumer/${program} OUTPUT_VARIABLE needs COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH "NEEDED[^\n]*libusher[^\n]*" needed "${needs}")
    if(program MATCHES "static" AND needed)
      message(FATAL_ERROR "${program}: ${needed}")
    elseif(program MATCHES "shared" AND NOT needed MATCHES "\\[libusher\\.so\\.0\\]")
      message(FATAL_ERROR "${program} does not need libusher.so.0: ${needs}")
    endif()
  endforeach()
endfunction()
