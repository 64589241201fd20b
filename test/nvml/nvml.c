// NVML's ABI as the exporter calls it, with devices that a script describes. The script is the file that ORB8_TEST_NVML names,
// read anew at every call: lines of KEY=VALUE, a device's keys beginning with its index. Knows no GPU.
//
// driver=VERSION  count=N  init=CODE  dead=CODE (every call answers so)  stride=24|32 (of a process in a list of the third version)
// calls=FILE: every call about a device is noted there, `INDEX FUNCTION`
// N.KEY: uuid name minor util total used power temperature energy sm_clock mem_clock tx rx mig xid, as NVML's units have them
// N.compute, N.graphics, N.mps: PID:BYTES[:GPU_INSTANCE:COMPUTE_INSTANCE],...   N.samples: PID:MICROSECONDS:SM,...
// N.mig.I.KEY: uuid name gi ci slices megabytes total used   N.hang_ms: a call about the device takes so long
// N.error.FUNCTION, error.FUNCTION: the code that it answers   N.xid: event data, told once for each value of N.xid.seq
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_BYTES 262144
#define MAX_DEVICES 16
#define MAX_MIGS 8
#define NOT_AVAILABLE UINT64_MAX
#define NO_INSTANCE UINT32_MAX

enum {
	SUCCESS = 0,
	UNINITIALIZED = 1,
	INVALID_ARGUMENT = 2,
	NOT_SUPPORTED = 3,
	NOT_FOUND = 6,
	INSUFFICIENT_SIZE = 7,
	TIMEOUT = 10,
};

struct device {
	int index;
	int mig; // -1: the whole GPU
};

static struct device devices[MAX_DEVICES][MAX_MIGS + 1];
static int initialised;
static unsigned long seen_xid[MAX_DEVICES];
static int listening[MAX_DEVICES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// The value of a key of the script, in a buffer of the caller's; 0 where there is none.
static int lookup(const char *key, char *value, size_t size)
{
	const char *path = getenv("ORB8_TEST_NVML");
	FILE *file = path ? fopen(path, "r") : NULL;
	char *line = malloc(SCRIPT_BYTES);
	size_t length = strlen(key);
	int found = 0;

	while (file && !found && fgets(line, SCRIPT_BYTES, file)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, key, length) || line[length] != '=')
			continue;
		snprintf(value, size, "%s", line + length + 1);
		found = 1;
	}
	if (file)
		fclose(file);
	free(line);
	return found;
}

static unsigned long long number(const char *key, unsigned long long fallback)
{
	char value[64];

	return lookup(key, value, sizeof value) ? strtoull(value, NULL, 10) : fallback;
}

static void key_of(char *key, size_t size, const struct device *device, const char *name)
{
	if (device->mig >= 0)
		snprintf(key, size, "%d.mig.%d.%s", device->index, device->mig, name);
	else
		snprintf(key, size, "%d.%s", device->index, name);
}

static int has(const struct device *device, const char *name, char *value, size_t size)
{
	char key[128];

	key_of(key, sizeof key, device, name);
	return lookup(key, value, size);
}

static unsigned long long number_of(const struct device *device, const char *name, unsigned long long fallback)
{
	char value[64];

	return has(device, name, value, sizeof value) ? strtoull(value, NULL, 10) : fallback;
}

static int refused(const char *function)
{
	char key[128];
	int dead = number("dead", 0);

	if (dead)
		return dead;
	if (!initialised && strncmp(function, "nvmlInit", 8))
		return UNINITIALIZED;
	snprintf(key, sizeof key, "error.%s", function);
	return number(key, 0);
}

static void note(const struct device *device, const char *function)
{
	char path[256];
	FILE *file = lookup("calls", path, sizeof path) ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%d %s\n", device->index, function);
	fclose(file);
}

// What every call about a device begins with: it may hang, and it may fail.
static int enter(const struct device *device, const char *function)
{
	char name[128];
	int code = refused(function);

	if (code)
		return code;
	if (!device)
		return INVALID_ARGUMENT;
	struct device whole = {device->index, -1};

	note(device, function);
	usleep(number_of(&whole, "hang_ms", 0) * 1000);
	snprintf(name, sizeof name, "error.%s", function);
	return number_of(&whole, name, 0);
}

static int text_of(const struct device *device, const char *function, const char *name, char *text, unsigned int size)
{
	char value[256];
	int code = enter(device, function);

	if (code)
		return code;
	if (!has(device, name, value, sizeof value))
		return NOT_SUPPORTED;
	if (strlen(value) >= size)
		return INSUFFICIENT_SIZE;
	strcpy(text, value);
	return SUCCESS;
}

static int u32_of(const struct device *device, const char *function, const char *name, unsigned int *out)
{
	char value[64];
	int code = enter(device, function);

	if (code)
		return code;
	if (!has(device, name, value, sizeof value))
		return NOT_SUPPORTED;
	*out = strtoul(value, NULL, 10);
	return SUCCESS;
}

int nvmlInitWithFlags(unsigned int flags)
{
	int code = refused("nvmlInitWithFlags");

	(void)flags;
	if (code)
		return code;
	code = number("init", 0);
	if (code)
		return code;
	usleep(number("init.hang_ms", 0) * 1000);
	for (int i = 0; i < MAX_DEVICES; i++)
		for (int m = 0; m <= MAX_MIGS; m++)
			devices[i][m] = (struct device){i, m - 1};
	initialised++;
	return SUCCESS;
}

int nvmlShutdown(void)
{
	if (!initialised)
		return UNINITIALIZED;
	initialised--;
	return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *version, unsigned int size)
{
	char value[80] = "";
	int code = refused("nvmlSystemGetDriverVersion");

	if (code)
		return code;
	lookup("driver", value, sizeof value);
	snprintf(version, size, "%s", value);
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
	int code = refused("nvmlDeviceGetCount_v2");

	if (!code)
		*count = number("count", 0);
	return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, struct device **device)
{
	int code;

	if (index >= MAX_DEVICES)
		return INVALID_ARGUMENT;
	code = enter(&devices[index][0], "nvmlDeviceGetHandleByIndex_v2");
	if (!code)
		*device = &devices[index][0];
	return code;
}

int nvmlDeviceGetUUID(struct device *device, char *uuid, unsigned int size)
{
	return text_of(device, "nvmlDeviceGetUUID", "uuid", uuid, size);
}

int nvmlDeviceGetName(struct device *device, char *name, unsigned int size)
{
	return text_of(device, "nvmlDeviceGetName", "name", name, size);
}

int nvmlDeviceGetMinorNumber(struct device *device, unsigned int *minor)
{
	return u32_of(device, "nvmlDeviceGetMinorNumber", "minor", minor);
}

int nvmlDeviceGetMigMode(struct device *device, unsigned int *current, unsigned int *pending)
{
	int code = u32_of(device, "nvmlDeviceGetMigMode", "mig", current);

	*pending = *current;
	return code;
}

int nvmlDeviceGetMaxMigDeviceCount(struct device *device, unsigned int *count)
{
	int code = enter(device, "nvmlDeviceGetMaxMigDeviceCount");

	*count = 7;
	return code;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct device *device, unsigned int index, struct device **mig)
{
	char uuid[128];
	int code = enter(device, "nvmlDeviceGetMigDeviceHandleByIndex");

	if (code)
		return code;
	if (index >= MAX_MIGS)
		return INVALID_ARGUMENT;
	*mig = &devices[device->index][index + 1];
	return has(*mig, "uuid", uuid, sizeof uuid) ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(struct device *device, unsigned int *id)
{
	return u32_of(device, "nvmlDeviceGetGpuInstanceId", "gi", id);
}

struct attributes {
	unsigned int multiprocessors, copy, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices;
	unsigned long long megabytes;
};
_Static_assert(sizeof(struct attributes) == 40, "nvmlDeviceAttributes_t");

int nvmlDeviceGetAttributes_v2(struct device *device, struct attributes *attributes)
{
	int code = enter(device, "nvmlDeviceGetAttributes_v2");

	if (code)
		return code;
	if (!number_of(device, "slices", 0))
		return NOT_SUPPORTED;
	memset(attributes, 0, sizeof *attributes);
	attributes->gpu_slices = number_of(device, "slices", 0);
	attributes->compute_slices = number_of(device, "compute_slices", attributes->gpu_slices);
	attributes->megabytes = number_of(device, "megabytes", 0);
	return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(struct device *device, unsigned int rates[2])
{
	rates[1] = 0;
	return u32_of(device, "nvmlDeviceGetUtilizationRates", "util", rates);
}

struct memory_v2 {
	unsigned int version;
	unsigned long long total, reserved, free, used;
};
_Static_assert(sizeof(struct memory_v2) == 40, "nvmlMemory_v2_t");

#ifndef WITHOUT_MEMORY_V2
int nvmlDeviceGetMemoryInfo_v2(struct device *device, struct memory_v2 *memory)
{
	int code = enter(device, "nvmlDeviceGetMemoryInfo_v2");

	if (code)
		return code;
	if (memory->version != (sizeof *memory | 2 << 24))
		return INVALID_ARGUMENT;
	if (!number_of(device, "total", 0))
		return NOT_SUPPORTED;
	memory->total = number_of(device, "total", 0);
	memory->used = number_of(device, "used", 0);
	memory->reserved = 512 << 20;
	memory->free = memory->total - memory->used - memory->reserved;
	return SUCCESS;
}
#endif

// The first version counts what is reserved as used.
int nvmlDeviceGetMemoryInfo(struct device *device, unsigned long long memory[3])
{
	int code = enter(device, "nvmlDeviceGetMemoryInfo");

	if (code)
		return code;
	memory[0] = number_of(device, "total", 0);
	memory[2] = number_of(device, "used", 0) + (512 << 20);
	memory[1] = memory[0] - memory[2];
	return SUCCESS;
}

int nvmlDeviceGetPowerUsage(struct device *device, unsigned int *milliwatts)
{
	return u32_of(device, "nvmlDeviceGetPowerUsage", "power", milliwatts);
}

int nvmlDeviceGetTemperature(struct device *device, int sensor, unsigned int *degrees)
{
	return sensor == 0 ? u32_of(device, "nvmlDeviceGetTemperature", "temperature", degrees) : INVALID_ARGUMENT;
}

int nvmlDeviceGetTotalEnergyConsumption(struct device *device, unsigned long long *millijoules)
{
	char value[64];
	int code = enter(device, "nvmlDeviceGetTotalEnergyConsumption");

	if (code)
		return code;
	if (!has(device, "energy", value, sizeof value))
		return NOT_SUPPORTED;
	*millijoules = strtoull(value, NULL, 10);
	return SUCCESS;
}

int nvmlDeviceGetClockInfo(struct device *device, int type, unsigned int *megahertz)
{
	return u32_of(device, "nvmlDeviceGetClockInfo", type == 1 ? "sm_clock" : "mem_clock", megahertz);
}

int nvmlDeviceGetPcieThroughput(struct device *device, int counter, unsigned int *kilobytes)
{
	int code = u32_of(device, "nvmlDeviceGetPcieThroughput", counter == 0 ? "tx" : "rx", kilobytes);

	if (!code)
		usleep(20000); // as long as the driver measures
	return code;
}

// PID:BYTES[:GPU_INSTANCE:COMPUTE_INSTANCE],... in entries of `stride` bytes.
static int processes(struct device *device, const char *function, const char *name, unsigned int *count, unsigned char *out,
		     int stride)
{
	static const unsigned int none = NO_INSTANCE;
	char *list = malloc(SCRIPT_BYTES), *rest = list;
	unsigned int room = *count, found = 0;
	int code = enter(device, function);

	if (code || !has(device, name, list, SCRIPT_BYTES))
		*list = 0;
	for (char *entry; !code && (entry = strsep(&rest, ",")) && *entry; found++) {
		unsigned long long bytes = 0;
		unsigned int pid = 0, gi = none, ci = none;

		if (found >= room)
			continue;
		if (sscanf(entry, "%u:na", &pid) == 1 && strstr(entry, ":na"))
			bytes = NOT_AVAILABLE;
		else
			sscanf(entry, "%u:%llu:%u:%u", &pid, &bytes, &gi, &ci);
		unsigned char *at = out + (size_t)found * stride;

		memcpy(at, &pid, 4); // the driver leaves the padding behind it alone
		memcpy(at + 8, &bytes, 8);
		if (stride >= 24) {
			memcpy(at + 16, &gi, 4);
			memcpy(at + 20, &ci, 4);
		}
		if (stride >= 32)
			memset(at + 24, 0, 8);
	}
	free(list);
	*count = found;
	if (!code && found > room)
		code = INSUFFICIENT_SIZE;
	return code;
}

#define LISTS(SUFFIX, STRIDE)                                                                                                      \
	int nvmlDeviceGetComputeRunningProcesses##SUFFIX(struct device *device, unsigned int *count, void *out)                    \
	{                                                                                                                          \
		return processes(device, "nvmlDeviceGetComputeRunningProcesses", "compute", count, out, STRIDE);                   \
	}                                                                                                                          \
	int nvmlDeviceGetGraphicsRunningProcesses##SUFFIX(struct device *device, unsigned int *count, void *out)                   \
	{                                                                                                                          \
		return processes(device, "nvmlDeviceGetGraphicsRunningProcesses", "graphics", count, out, STRIDE);                 \
	}                                                                                                                          \
	int nvmlDeviceGetMPSComputeRunningProcesses##SUFFIX(struct device *device, unsigned int *count, void *out)                 \
	{                                                                                                                          \
		return processes(device, "nvmlDeviceGetMPSComputeRunningProcesses", "mps", count, out, STRIDE);                    \
	}

LISTS(, 16)
#ifndef WITHOUT_V2
LISTS(_v2, 24)
#endif
#ifndef WITHOUT_V3
LISTS(_v3, number("stride", 24))
#endif

struct sample {
	unsigned int pid;
	unsigned long long time;
	unsigned int sm, memory, encoder, decoder;
};
_Static_assert(sizeof(struct sample) == 32, "nvmlProcessUtilizationSample_t");

static int read_samples(struct device *device, struct sample *samples, unsigned int *count, unsigned long long since)
{
	char *list = malloc(SCRIPT_BYTES), *rest = list;
	unsigned int room = *count, found = 0;
	int code = number_of(device, "mig", 0) ? NOT_SUPPORTED : SUCCESS;

	if (!has(device, "samples", list, SCRIPT_BYTES))
		*list = 0;
	for (char *entry; !code && (entry = strsep(&rest, ",")) && *entry;) {
		struct sample sample = {0};

		sscanf(entry, "%u:%llu:%u", &sample.pid, &sample.time, &sample.sm);
		if (sample.time <= since)
			continue;
		if (found < room && samples)
			samples[found] = sample;
		found++;
	}
	free(list);
	*count = found;
	if (code)
		return code;
	if (found == 0)
		return NOT_FOUND;
	return found > room || !samples ? INSUFFICIENT_SIZE : SUCCESS;
}

#ifndef WITHOUT_PROCESS_UTILIZATION
int nvmlDeviceGetProcessUtilization(struct device *device, struct sample *samples, unsigned int *count, unsigned long long since)
{
	int code = enter(device, "nvmlDeviceGetProcessUtilization");

	return code ? code : read_samples(device, samples, count, since);
}
#endif

// Driver 550 and later.
struct utilization_info {
	unsigned long long time;
	unsigned int pid, sm, memory, encoder, decoder, jpeg, ofa;
};
_Static_assert(sizeof(struct utilization_info) == 40, "nvmlProcessUtilizationInfo_v1_t");

struct utilization_infos {
	unsigned int version, count;
	unsigned long long since;
	struct utilization_info *infos;
};
_Static_assert(sizeof(struct utilization_infos) == 24, "nvmlProcessesUtilizationInfo_v1_t");

int nvmlDeviceGetProcessesUtilizationInfo(struct device *device, struct utilization_infos *infos)
{
	struct sample samples[64];
	unsigned int count = 64;
	int code = enter(device, "nvmlDeviceGetProcessesUtilizationInfo");

	if (code)
		return code;
	if (infos->version != (sizeof *infos | 1 << 24))
		return INVALID_ARGUMENT;
	code = read_samples(device, samples, &count, infos->since);
	for (unsigned int i = 0; !code && infos->infos && i < count && i < infos->count; i++)
		infos->infos[i] = (struct utilization_info){.time = samples[i].time, .pid = samples[i].pid, .sm = samples[i].sm};
	if (!code && (!infos->infos || infos->count < count))
		code = INSUFFICIENT_SIZE;
	infos->count = count;
	return code;
}

int nvmlEventSetCreate(void **set)
{
	int code = refused("nvmlEventSetCreate");

	*set = &lock;
	memset(listening, 0, sizeof listening);
	memset(seen_xid, 0, sizeof seen_xid);
	return code;
}

int nvmlEventSetFree(void *set)
{
	return set == &lock ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceRegisterEvents(struct device *device, unsigned long long types, void *set)
{
	int code = enter(device, "nvmlDeviceRegisterEvents");

	if (!code && (types != 8 || set != &lock))
		code = INVALID_ARGUMENT;
	if (!code)
		listening[device->index] = 1;
	return code;
}

struct event {
	struct device *device;
	unsigned long long type, data;
	unsigned int gpu_instance, compute_instance;
};
_Static_assert(sizeof(struct event) == 32, "nvmlEventData_t");

int nvmlEventSetWait_v2(void *set, struct event *event, unsigned int timeout_ms)
{
	int code = refused("nvmlEventSetWait_v2");
	int found = 0;

	if (code || set != &lock)
		return code ? code : INVALID_ARGUMENT;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_DEVICES && !found; i++) {
		unsigned long sequence = number_of(&devices[i][0], "xid.seq", 0);

		if (!listening[i] || sequence == seen_xid[i])
			continue;
		seen_xid[i] = sequence;
		*event = (struct event){&devices[i][0], 8, number_of(&devices[i][0], "xid", 0), NO_INSTANCE, NO_INSTANCE};
		found = 1;
	}
	pthread_mutex_unlock(&lock);
	if (!found)
		usleep(timeout_ms * 1000);
	return found ? SUCCESS : TIMEOUT;
}
