// Every operator new and delete of the program, by usher::testing::take(size, alignment), null for
// none, and give(memory), which the one source that includes this has defined before.
#pragma once

#include <cstddef>
#include <new>

void* operator new(std::size_t size) {
  void* const memory = usher::testing::take(size);
  return memory != nullptr ? memory : throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return usher::testing::take(size);
}
void* operator new[](std::size_t size) { return ::operator new(size); }
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return ::operator new(size, tag);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  void* const memory = usher::testing::take(size, std::size_t(alignment));
  return memory != nullptr ? memory : throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment,
                   const std::nothrow_t& /*tag*/) noexcept {
  return usher::testing::take(size, std::size_t(alignment));
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
  usher::testing::give(memory);
}
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  usher::testing::give(memory);
}
void operator delete(void* memory) noexcept { usher::testing::give(memory); }
// For what a constructor that throws was to be built in.
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  usher::testing::give(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
  usher::testing::give(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/,
                     const std::nothrow_t& /*tag*/) noexcept {
  usher::testing::give(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept { usher::testing::give(memory); }
void operator delete[](void* memory) noexcept { usher::testing::give(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  usher::testing::give(memory);
}
