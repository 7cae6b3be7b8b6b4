#pragma once
// FASTSAG_VARIANTS before a function: compiled for three kinds of processor, the best one chosen when the program
// starts. For loops over many samples whose work the compiler turns into vectors; what they call must be inlined.
//
// Repeatable on one machine; another kind of processor may round the last bit otherwise. Sanitizers are not up yet when
// the choice is made, and clang knows no such names: plain there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FASTSAG_VARIANTS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FASTSAG_VARIANTS
#endif
