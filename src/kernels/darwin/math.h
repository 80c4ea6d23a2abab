#pragma once
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
float fabsf(float);
float sqrtf(float);
float fmaf(float, float, float);
double frexp(double, int *);
