package doctor

import (
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// readPlatform reads what Linux says under /proc and /sys.
func (s *System) readPlatform() {
	s.Kernel = line("/proc/sys/kernel/osrelease")
	for text := range strings.Lines(text("/etc/os-release")) {
		if name, ok := strings.CutPrefix(text, "PRETTY_NAME="); ok {
			s.Distribution = strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	for text := range strings.Lines(text("/proc/self/limits")) {
		if rest, ok := strings.CutPrefix(text, "Max processes"); ok {
			s.Processes = number(rest)
		}
	}
	for text := range strings.Lines(text("/proc/meminfo")) {
		name, rest, _ := strings.Cut(text, ":")
		switch name {
		case "MemTotal":
			s.Memory = number(rest) << 10
		case "MemAvailable":
			s.MemoryAvailable = number(rest) << 10
		}
	}
	s.readCgroup()
	var t syscall.Timex // Modes 0 only reads
	if state, err := syscall.Adjtimex(&t); err == nil {
		const timeError, unsynchronized = 5, 0x40 // TIME_ERROR, STA_UNSYNC: adjtimex(2)
		synchronous := state != timeError && t.Status&unsynchronized == 0
		s.ClockSynchronous = &synchronous
	}
}

// readCgroup reads the limits of the cgroup of this process and of those around it, of
// version 2 or, if that has none, of version 1.
func (s *System) readCgroup() {
	const root = "/sys/fs/cgroup"
	for text := range strings.Lines(text("/proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(text), ":", 3)
		if len(parts) != 3 || parts[0] != "0" {
			continue
		}
		// In a container the path can be that of the host, which is not to be seen.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			s.CgroupMemory = lower(s.CgroupMemory, number(line(root+path.Join("/", at, "memory.max"))))
			s.CgroupProcesses = lower(s.CgroupProcesses, number(line(root+path.Join("/", at, "pids.max"))))
			if at == "/" {
				break
			}
		}
	}
	if s.CgroupMemory == 0 {
		const none = 1 << 60 // version 1 has a number for no limit
		if limit := number(line(root + "/memory/memory.limit_in_bytes")); limit < none {
			s.CgroupMemory = limit
		}
	}
	if s.CgroupProcesses == 0 {
		s.CgroupProcesses = number(line(root + "/pids/pids.max"))
	}
}

// lower returns the lower of two limits, of which zero is none.
func lower(a, b uint64) uint64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// text returns the content of a file of the system; empty: it cannot be read.
func text(file string) string {
	b, err := os.ReadFile(file) //nolint:gosec // the names above
	if err != nil {
		return ""
	}
	return string(b)
}

func line(file string) string { return strings.TrimSpace(text(file)) }

// number returns the first word of a text as a number; 0 if it is none ("max",
// "unlimited").
func number(text string) uint64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
