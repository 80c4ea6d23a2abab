#pragma once
struct timespec {
    long tv_sec;
    long tv_nsec;
};
typedef unsigned clockid_t;
#define CLOCK_MONOTONIC 6
int clock_gettime(clockid_t, struct timespec *);
