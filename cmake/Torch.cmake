# LibTorch as the target fastsag_torch, and CUDA where the toolkit is. FASTSAG_CUDA tells which it became.
include(CheckLanguage)
check_language(CUDA)
find_path(torch_share NAMES TorchConfig.cmake PATH_SUFFIXES share/cmake/Torch REQUIRED)
get_filename_component(torch_root "${torch_share}/../../.." ABSOLUTE)

add_library(fastsag_torch INTERFACE)
# The wheel's libtorch exports parts of std::filesystem from a libstdc++ of its own, and remove_all of those jumps to
# address 0. Symbols are looked up in the order of linking, so the system's library goes first.
target_link_libraries(fastsag_torch INTERFACE stdc++)
if(CMAKE_CUDA_COMPILER AND EXISTS "${torch_root}/lib/libtorch_cuda.so")
  set(FASTSAG_CUDA ON)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_ARCHITECTURES 80 86 89 90)
  enable_language(CUDA)
  set(TORCH_CUDA_ARCH_LIST "8.0;8.6;8.9;9.0") # else its autodetection fails the configure where no GPU is
  find_package(Torch REQUIRED)
  set(CMAKE_CUDA_ARCHITECTURES 80 86 89 90) # which it turned OFF in favour of flags of its own
  set(CMAKE_CUDA_FLAGS "")
  target_link_libraries(fastsag_torch INTERFACE torch)
  message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
else()
  set(FASTSAG_CUDA OFF)
  message(STATUS "CUDA: left out (no nvcc, or a LibTorch without CUDA); everything runs on the CPU")
  # A CUDA build of LibTorch refuses find_package without the toolkit, so its CPU half is linked by hand.
  target_include_directories(fastsag_torch SYSTEM INTERFACE "${torch_root}/include"
                                                            "${torch_root}/include/torch/csrc/api/include")
  target_link_libraries(fastsag_torch INTERFACE "${torch_root}/lib/libtorch_cpu.so" "${torch_root}/lib/libc10.so")
  target_link_options(fastsag_torch INTERFACE "-Wl,-rpath,${torch_root}/lib")
endif()
if(FASTSAG_CUDA)
  target_compile_definitions(fastsag_torch INTERFACE FASTSAG_CUDA)
endif()
# Without it at::parallel_for of its headers runs on one thread, silently. At run time LibTorch's own libgomp serves both.
target_compile_options(fastsag_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_options(fastsag_torch INTERFACE -fopenmp)
# Torch headers take 20 s to read: this library exists for the precompiled one, which all of model/ reuses.
if(NOT EXISTS "${CMAKE_BINARY_DIR}/torch_pch.cpp")
  file(WRITE "${CMAKE_BINARY_DIR}/torch_pch.cpp" "")
endif()
add_library(fastsag_torch_pch STATIC "${CMAKE_BINARY_DIR}/torch_pch.cpp")
target_link_libraries(fastsag_torch_pch PUBLIC fastsag_torch fastsag_options)
target_precompile_headers(fastsag_torch_pch PRIVATE <torch/torch.h>)
message(STATUS "LibTorch: ${torch_root}")
