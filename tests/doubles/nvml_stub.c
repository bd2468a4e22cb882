/* A stand-in for NVIDIA's libnvidia-ml.so.1, for machines without a GPU. Set by environment variables, read at each call:
 *   STUB_GPUS         how many GPUs (default 1)
 *   STUB_LOST         index of a GPU that is lost (default none)
 *   STUB_UNSUPPORTED  1: utilisation, power, energy, throttle reasons, clocks are not supported
 *   STUB_NO_DRIVER    1: initialisation fails, the driver is not loaded
 *   STUB_HANG_FILE    while this file exists, memory queries hang
 *   STUB_HANG         index of the only GPU that hangs then (default: each)
 *   STUB_LOST_FILE    while this file exists, GPU 0 is lost
 *   STUB_PID          the process that holds memory (default 4242)
 *   STUB_CALLS_FILE   one byte is appended to it at each initialisation
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned int u;
typedef unsigned long long ull;
typedef void *dev;
typedef struct { ull total, free, used; } mem_t;
typedef struct { u version; ull total, reserved, free, used; } mem2_t;
typedef struct { u gpu, memory; } util_t;
typedef struct { u pid; ull used; u gpu_instance, compute_instance; } proc_t;

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9, LOST = 15 };

static ull number(const char *key, ull otherwise) {
  const char *value = getenv(key);
  return value && *value ? strtoull(value, 0, 10) : otherwise;
}
static int there(const char *key) {
  const char *path = getenv(key);
  return path && access(path, F_OK) == 0;
}
static u index_of(dev device) { return (u)((char *)device - (char *)0x1000); }
static int lost(dev device) {
  return index_of(device) == (u)number("STUB_LOST", 9999) || (index_of(device) == 0 && there("STUB_LOST_FILE"));
}
static int unsupported(void) { return number("STUB_UNSUPPORTED", 0) == 1; }
#define GUARD(device) if (lost(device)) return LOST;
#define OPTIONAL(device) GUARD(device) if (unsupported()) return NOT_SUPPORTED;

int nvmlInitWithFlags(u flags) {
  const char *path = getenv("STUB_CALLS_FILE");
  if (path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) { if (write(fd, "i", 1) < 0) return 999; close(fd); }
  }
  return number("STUB_NO_DRIVER", 0) ? NO_DRIVER : OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == NO_DRIVER ? "Driver Not Loaded" : "stub"; }
int nvmlDeviceGetCount_v2(u *count) { *count = (u)number("STUB_GPUS", 1); return OK; }
int nvmlDeviceGetHandleByIndex_v2(u index, dev *device) {
  if (index >= number("STUB_GPUS", 1)) return 2;
  *device = (dev)((char *)0x1000 + index);
  GUARD(*device)
  return OK;
}
int nvmlDeviceGetName(dev device, char *buffer, u size) { GUARD(device) snprintf(buffer, size, "NVIDIA Stub 24GB"); return OK; }
int nvmlDeviceGetUUID(dev device, char *buffer, u size) { GUARD(device) snprintf(buffer, size, "GPU-stub-%u", index_of(device)); return OK; }
static void hang(dev device) {
  while (number("STUB_HANG", index_of(device)) == index_of(device) && there("STUB_HANG_FILE")) usleep(2000);
}
int nvmlDeviceGetMemoryInfo(dev device, mem_t *memory) {
  GUARD(device) hang(device);
  memory->total = 24ull << 30; memory->used = 7ull << 30; memory->free = memory->total - memory->used;
  return OK;
}
int nvmlDeviceGetMemoryInfo_v2(dev device, mem2_t *memory) {
  GUARD(device) hang(device);
  memory->total = 24ull << 30; memory->reserved = 300ull << 20; memory->used = 7ull << 30;
  memory->free = memory->total - memory->used - memory->reserved;
  return OK;
}
int nvmlDeviceGetUtilizationRates(dev device, util_t *use) { OPTIONAL(device) use->gpu = 83; use->memory = 40; return OK; }
int nvmlDeviceGetPowerUsage(dev device, u *power) { OPTIONAL(device) *power = 287000; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(dev device, u *power) { OPTIONAL(device) *power = 350000; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(dev device, ull *energy) { OPTIONAL(device) *energy = 123456789; return OK; }
int nvmlDeviceGetTemperature(dev device, int sensor, u *degrees) { GUARD(device) *degrees = 71; return OK; }
int nvmlDeviceGetClockInfo(dev device, int kind, u *mhz) { OPTIONAL(device) *mhz = kind == 2 ? 10501 : 1980; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(dev device, ull *mask) { OPTIONAL(device) *mask = 0x24; return OK; }
static int processes(u *count, proc_t *list, const ull *pids, const ull *used, u have) {
  if (*count < have) { *count = have; return TOO_SMALL; }
  for (u i = 0; i < have; i++) {
    list[i].pid = (u)pids[i]; list[i].used = used[i]; list[i].gpu_instance = list[i].compute_instance = 0xffffffff;
  }
  *count = have;
  return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(dev device, u *count, proc_t *list) {
  GUARD(device)
  ull pids[2] = {number("STUB_PID", 4242), 4243}, used[2] = {6ull << 30, ~0ull};
  return processes(count, list, pids, used, 2);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(dev device, u *count, proc_t *list) {
  GUARD(device)
  ull pids[2] = {number("STUB_PID", 4242), 4244}, used[2] = {6ull << 30, 1ull << 20};
  return processes(count, list, pids, used, 2);
}
