#include "kernels.h"

#include <sys/mman.h>
#include <unistd.h>

void kernels_advise_huge_pages(void *start, int64_t bytes) {
    /* Only whole pages inside the range: what lies around it belongs to others. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)start + (uintptr_t)bytes) / page * page;
    /* Advice: where the system has no huge pages, everything works as before. */
    if (end > first)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}
