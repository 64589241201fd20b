/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Preloaded into a process: makes bpf(2), and reads of BPF iterators, answer as a file says without asking the kernel, or ends the
 * process there. libbpf makes all its calls by way of libc's syscall(). Knows numbers of commands; nothing of who calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* test/harness/faulty-calls.ts writes it while the process runs. */
struct orders {
	_Atomic uint32_t call;	/* a command of bpf(2), or one of these below */
	_Atomic uint32_t error; /* the errno to answer with, or END */
	_Atomic uint32_t every; /* the nth of such calls, and each nth after it */
	_Atomic uint32_t left;	/* at most so many */
	_Atomic uint32_t seen;
	_Atomic uint32_t failed;
};

#define READ 1000	   /* of an iterator */
#define ANY 1001	   /* whatever changes the kernel's or the pin directory's state */
#define NOTHING 0xffffffff /* all is well */
#define END 1000	   /* by SIGKILL, before the call */

static struct orders *orders;
static long (*real_syscall)(long, ...);
static ssize_t (*real_read)(int, void *, size_t);

__attribute__((constructor)) static void take_orders(void)
{
	const char *path = getenv("FAULTY_CALLS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		abort();
	close(fd);
	real_syscall = dlsym(RTLD_NEXT, "syscall");
	real_read = dlsym(RTLD_NEXT, "read");
	orders = memory;
}

static int is_to_fail(uint32_t call)
{
	uint32_t left;

	if (!orders || (orders->call != call && orders->call != ANY) || ++orders->seen % orders->every)
		return 0;
	left = orders->left;
	while (left && !atomic_compare_exchange_weak(&orders->left, &left, left - 1))
		;
	if (!left)
		return 0;
	orders->failed++;
	if (orders->error == END)
		kill(getpid(), SIGKILL);
	errno = (int)orders->error;
	return 1;
}

long syscall(long number, ...)
{
	__builtin_va_list list;
	long a[6];

	__builtin_va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = __builtin_va_arg(list, long);
	__builtin_va_end(list);
	if (number == SYS_bpf && is_to_fail((uint32_t)a[0]))
		return -1;
	if (!real_syscall)
		real_syscall = dlsym(RTLD_NEXT, "syscall");
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int chmod(const char *path, mode_t mode)
{
	is_to_fail(ANY);
	return fchmodat(AT_FDCWD, path, mode, 0);
}

int rename(const char *from, const char *to)
{
	is_to_fail(ANY);
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int is_iterator(int fd)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "anon_inode:bpf_iter") == 0;
}

ssize_t read(int fd, void *buffer, size_t bytes)
{
	if (orders && (orders->call == READ || orders->call == ANY) && is_iterator(fd) && is_to_fail(READ))
		return -1;
	if (!real_read)
		real_read = dlsym(RTLD_NEXT, "read");
	return real_read(fd, buffer, bytes);
}
