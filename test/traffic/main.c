/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Reads the command line, takes its place in a cgroup and a network namespace, and runs one command. Makes no socket before. */
#include "traffic.h"
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
	"traffic [--cgroup DIR] [--netns FILE] [--limit SECONDS] COMMAND [options]\n"
	"  agent            obeys lines on standard input, see agent.c\n"
	"  serve, connect   many connections, each a request and an answer\n"
	"  hold             connections that stay open until standard input ends (serve --hold at the other end)\n"
	"  workloads        cgroups below --cgroup that come, connect as `connect` does, and go\n"
	"  echo, rr         requests and answers over few connections\n"
	"  sink, stream     bulk\n"
	"  udp-echo, udp-rr, udp-sink, udp-flood, udp-share\n"
	"options: --address A --addresses N --port P[,P...] --connections N --threads N --up BYTES --down BYTES\n"
	"         --size BYTES --seconds N --end client|server|reset|abort --spread --hold\n"
	"         --workloads N --at-once N --life MILLISECONDS\n";

static const struct {
	const char *name;
	int (*run)(const struct options *options);
} commands[] = {
	{"serve", run_serve},	      {"connect", run_connect},	    {"hold", run_hold},
	{"echo", run_echo},	      {"rr", run_request_response}, {"sink", run_sink},
	{"stream", run_stream},	      {"udp-echo", run_udp_echo},   {"udp-rr", run_udp_request_response},
	{"udp-sink", run_udp_sink},   {"udp-flood", run_udp_flood}, {"udp-share", run_udp_share},
	{"workloads", run_workloads},
};

enum option_name {
	CGROUP = 1,
	NETNS,
	LIMIT,
	ADDRESS,
	ADDRESSES,
	PORT,
	CONNECTIONS,
	THREADS,
	UP,
	DOWN,
	SIZE,
	SECONDS,
	END,
	SPREAD,
	HOLD,
	WORKLOADS,
	AT_ONCE,
	LIFE
};

static const struct option long_options[] = {
	{"cgroup", 1, NULL, CGROUP},
	{"netns", 1, NULL, NETNS},
	{"limit", 1, NULL, LIMIT},
	{"address", 1, NULL, ADDRESS},
	{"addresses", 1, NULL, ADDRESSES},
	{"port", 1, NULL, PORT},
	{"connections", 1, NULL, CONNECTIONS},
	{"threads", 1, NULL, THREADS},
	{"up", 1, NULL, UP},
	{"down", 1, NULL, DOWN},
	{"size", 1, NULL, SIZE},
	{"seconds", 1, NULL, SECONDS},
	{"end", 1, NULL, END},
	{"spread", 0, NULL, SPREAD},
	{"hold", 0, NULL, HOLD},
	{"workloads", 1, NULL, WORKLOADS},
	{"at-once", 1, NULL, AT_ONCE},
	{"life", 1, NULL, LIFE},
	{NULL, 0, NULL, 0},
};

static void enter_namespace(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(file);
	close(fd);
}

static void raise_file_limit(void)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};

	setrlimit(RLIMIT_NOFILE, &limit); /* refused without the capability: the old limit stands */
}

static void read_ports(char *text, struct options *options)
{
	for (char *word = strtok(text, ","); word && options->port_count < MAX_PORTS; word = strtok(NULL, ","))
		options->ports[options->port_count++] = (uint16_t)atoi(word);
}

static uint32_t read_end(const char *text)
{
	if (strcmp(text, "server") == 0)
		return END_SERVER;
	if (strcmp(text, "abort") == 0)
		return END_ABORT;
	return strcmp(text, "reset") == 0 ? END_RESET : END_CLIENT;
}

static void read_option(int option, char *value, struct options *options, const char **netns, unsigned *limit)
{
	uint32_t number = value ? (uint32_t)strtoul(value, NULL, 10) : 0;

	switch (option) {
	case CGROUP:
		options->cgroup = value;
		break;
	case NETNS:
		*netns = value;
		break;
	case LIMIT:
		*limit = number;
		break;
	case ADDRESS:
		options->address = value;
		break;
	case ADDRESSES:
		options->addresses = number;
		break;
	case PORT:
		read_ports(value, options);
		break;
	case CONNECTIONS:
		options->connections = number;
		break;
	case THREADS:
		options->threads = number;
		break;
	case UP:
		options->up = number;
		break;
	case DOWN:
		options->down = number;
		break;
	case SIZE:
		options->size = number;
		break;
	case SECONDS:
		options->seconds = number;
		break;
	case END:
		options->end = read_end(value);
		break;
	case SPREAD:
		options->spread = true;
		break;
	case HOLD:
		options->hold = true;
		break;
	case WORKLOADS:
		options->workloads = number;
		break;
	case AT_ONCE:
		options->at_once = number;
		break;
	case LIFE:
		options->life = number;
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options = {.address = "127.0.0.1",
				  .addresses = 1,
				  .connections = 1,
				  .threads = 1,
				  .size = 64,
				  .up = 12,
				  .workloads = 1,
				  .at_once = 1};
	const char *netns = NULL;
	unsigned limit = 120; /* nothing that a test forgets outlives this */
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(option, optarg, &options, &netns, &limit);
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	alarm(limit);
	raise_file_limit();
	if (options.cgroup)
		join_cgroup(options.cgroup);
	if (netns)
		enter_namespace(netns);
	if (strcmp(argv[optind], "agent") == 0)
		return run_agent();
	if (options.port_count == 0)
		options.ports[options.port_count++] = 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&options);
	fputs(usage, stderr);
	return 2;
}
