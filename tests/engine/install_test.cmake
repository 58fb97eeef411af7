# What is installed is enough to build and run a caller, and shows the functions of its headers and
# nothing else. Arguments: BUILD, WORK, PROGRAM, C_FLAGS, C_COMPILER, CXX_COMPILER, NM.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${result}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --component library --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)  # Nothing in it may know where it was.

file(GLOB pkgconfig ${WORK}/moved/lib*/pkgconfig ${WORK}/moved/lib*/*/pkgconfig)
set(ENV{PKG_CONFIG_PATH} ${pkgconfig})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK}/build
  -DCMAKE_PREFIX_PATH=${WORK}/moved -DPROGRAM=${PROGRAM} -DCMAKE_C_COMPILER=${C_COMPILER}
  -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_C_FLAGS=${C_FLAGS} -DCMAKE_CXX_FLAGS=${C_FLAGS})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error)

# Declared and exported are the same set.
set(declared)
foreach(header sspi sspi_table acceptor async)
  file(READ ${WORK}/moved/include/usher/${header}.h text)
  string(REGEX MATCHALL "\nUSHER_API [^;]*;" declarations "${text}")
  foreach(declaration ${declarations})
    string(REGEX REPLACE "^\nUSHER_API[^(]*[ *\n]([A-Za-z_]+)\\(.*" "\\1" name "${declaration}")
    list(APPEND declared ${name})
  endforeach()
endforeach()
file(GLOB library ${WORK}/moved/lib*/libusher.so ${WORK}/moved/lib*/*/libusher.so)
execute_process(COMMAND ${NM} -D --defined-only ${library} OUTPUT_VARIABLE symbols)
string(REGEX MATCHALL "[TDBVWi] [A-Za-z_][A-Za-z0-9_]*" exported "${symbols}")
list(TRANSFORM exported REPLACE "^. " "")
list(SORT declared)
list(SORT exported)
list(LENGTH declared count)
if(NOT declared STREQUAL exported OR count LESS 15)
  message(FATAL_ERROR "declared: ${declared}\nexported: ${exported}")
endif()
