/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Workloads that come and go: each a process in a cgroup of its own, made for it and removed as soon as it has ended. Says of each
 * what it read and wrote. */
#include "traffic.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REMOVE_TRIES 200 /* of 10 ms: the kernel may still be busy with the process */

/* One that lives; in memory shared with its process. */
struct workload {
	pid_t pid; /* 0: nobody's place */
	uint32_t index;
	uint64_t cgroup; /* its id */
	struct figures figures;
};

static struct workload *places;
static uint32_t living;

static void directory_of(const struct options *options, uint32_t index, char *into, size_t size)
{
	snprintf(into, size, "%s/w%u", options->cgroup, index);
}

static _Noreturn void live(const struct options *options, struct workload *own, const char *directory, pid_t parent)
{
	static const uint32_t ends[] = {END_CLIENT, END_SERVER, END_RESET};
	struct options mine = *options;

	/* Whoever ends the program ends all of them. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	join_cgroup(directory);
	mine.end = ends[own->index % (sizeof(ends) / sizeof(ends[0]))];
	own->figures = connect_in_turn(&mine, own->index * options->connections);
	_exit(0);
}

static void start(const struct options *options, uint32_t index)
{
	struct workload *place = places;
	pid_t parent = getpid(), pid;
	char directory[4096];
	struct stat made;

	while (place->pid)
		place++;
	directory_of(options, index, directory, sizeof(directory));
	if (mkdir(directory, 0755) || stat(directory, &made))
		die(directory);
	*place = (struct workload){.index = index, .cgroup = made.st_ino};
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		live(options, place, directory, parent);
	place->pid = pid;
	living++;
}

static void remove_cgroup(const char *directory)
{
	for (int i = 0; rmdir(directory); i++) {
		if (errno != EBUSY || i == REMOVE_TRIES)
			die(directory);
		usleep(10000);
	}
}

/* One that has ended, if there is one; with `wait` there will be. */
static bool take_leave(const struct options *options, bool wait)
{
	struct workload *place = places;
	char directory[4096];
	int status;
	pid_t pid = waitpid(-1, &status, wait ? 0 : WNOHANG);

	if (pid <= 0)
		return false;
	while (place->pid != pid)
		place++;
	directory_of(options, place->index, directory, sizeof(directory));
	remove_cgroup(directory);
	printf("{\"workload\":%u,\"cgroup\":\"%lu\",\"status\":%d,\"connections\":%lu,\"read\":%lu,\"written\":%lu,\"failures\":%"
	       "lu}\n",
	       place->index, place->cgroup, status, place->figures.connections, place->figures.read, place->figures.written,
	       place->figures.failures);
	fflush(stdout);
	place->pid = 0;
	living--;
	return true;
}

/* As many at once as asked, each beginning as soon as its turn has come and there is a place. */
int run_workloads(const struct options *options)
{
	uint64_t started = now_ns(), pause = options->life * 1000000ull / options->at_once;

	places = mmap(NULL, options->at_once * sizeof(*places), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!options->cgroup || places == MAP_FAILED)
		die("workloads: needs --cgroup, and memory");
	for (uint32_t i = 0; i < options->workloads; i++) {
		sleep_until(started + i * pause);
		while (take_leave(options, living == options->at_once))
			;
		start(options, i);
	}
	while (living)
		take_leave(options, true);
	return 0;
}
