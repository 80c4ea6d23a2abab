#pragma once
typedef unsigned sigset_t;
#define SIG_SETMASK 3
int sigfillset(sigset_t *);
