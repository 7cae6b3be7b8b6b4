# fastsag_module(NAME [USES module...] [API header...]): the static library fastsag_NAME of this folder's sources.
#
# Includes are written from the repository's root ("dsp/mel.h"), yet a module sees only itself and what it USES: each
# module gets an include tree of its own, build/include/NAME, that holds nothing but a link to its folder. Where a
# module names API headers, those that use it see these headers and no others.
function(fastsag_warnings target)
  # Not for nvcc, which takes none of these. GCC 12 is wrong about -Wrestrict of "x" + string; clang has none. Of files that
  # are compiled as one, it takes their own classes for a header's (-Wsubobject-linkage).
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers;$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-subobject-linkage>;-Wshadow;-Wconversion;-Wno-sign-conversion;-Werror>")
endfunction()

add_library(fastsag_options INTERFACE)
target_compile_options(fastsag_options INTERFACE # nobody reads errno after a root, nor traps a division
  $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno -fno-trapping-math>)
if(FASTSAG_SANITIZE)
  target_compile_options(fastsag_options INTERFACE -fsanitize=${FASTSAG_SANITIZE} -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all)
  target_link_options(fastsag_options INTERFACE -fsanitize=${FASTSAG_SANITIZE})
  if(FASTSAG_SANITIZE MATCHES thread)
    target_compile_options(fastsag_options INTERFACE -Wno-tsan) # moodycamel's queue has fences, which it cannot see
  endif()
endif()

function(fastsag_module name)
  cmake_parse_arguments(arg "" "" "USES;API;SOURCES" ${ARGN})
  set(target fastsag_${name})
  set(own "${CMAKE_BINARY_DIR}/include/${name}")
  file(MAKE_DIRECTORY "${own}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${own}/${name}" SYMBOLIC)
  if(NOT arg_SOURCES)
    file(GLOB arg_SOURCES CONFIGURE_DEPENDS "*.cpp")
  endif()
  add_library(${target} STATIC ${arg_SOURCES})
  # What the files of a module include is read once for several; names that two of them share are made to differ.
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  if(arg_API)
    set(api "${CMAKE_BINARY_DIR}/include/${name}_api")
    file(MAKE_DIRECTORY "${api}/${name}")
    foreach(header ${arg_API})
      file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}/${header}" "${api}/${name}/${header}" SYMBOLIC)
    endforeach()
    target_include_directories(${target} PRIVATE "${own}" INTERFACE "${api}")
  else()
    target_include_directories(${target} PUBLIC "${own}")
  endif()
  foreach(used ${arg_USES})
    target_link_libraries(${target} PUBLIC fastsag_${used})
  endforeach()
  target_link_libraries(${target} PUBLIC fastsag_options)
  fastsag_warnings(${target})
endfunction()
