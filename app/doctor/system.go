package doctor

import (
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/internal/version"
)

// System describes this machine, and the limits of this process. Zero values are not known.
type System struct {
	Time             time.Time `json:"time"`
	Version          string    `json:"version"`
	Revision         string    `json:"revision,omitempty"`
	Go               string    `json:"go"`
	OS               string    `json:"os"`
	Arch             string    `json:"arch"`
	Distribution     string    `json:"distribution,omitempty"`
	Kernel           string    `json:"kernel,omitempty"`
	CPUs             int       `json:"cpus"`
	GOMAXPROCS       int       `json:"gomaxprocs"`
	OpenFiles        uint64    `json:"max_open_files,omitempty"`
	Processes        uint64    `json:"max_processes,omitempty"`        // of the user; threads count
	CgroupProcesses  uint64    `json:"cgroup_max_processes,omitempty"` // of the container or unit
	Memory           uint64    `json:"memory_bytes,omitempty"`
	MemoryAvailable  uint64    `json:"memory_available_bytes,omitempty"`
	CgroupMemory     uint64    `json:"cgroup_memory_bytes,omitempty"` // limit of the container or unit
	GoMemoryLimit    uint64    `json:"gomemlimit_bytes,omitempty"`
	ClockSynchronous *bool     `json:"clock_synchronized,omitempty"`
}

// Below these, usher may fail under load.
const (
	minProcesses = 256
	minMemory    = 128 << 20
)

const ifStarted = "if usher serve is started as usher doctor was"

func readSystem(now time.Time) System {
	s := System{
		Time: now.UTC(), Version: version.Semver(), Revision: version.Revision(), Go: runtime.Version(),
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
	s.OpenFiles, _ = assembly.MaxOpenFiles()
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		s.GoMemoryLimit = uint64(limit) //nolint:gosec // it is not negative
	}
	s.readPlatform()
	return s
}

// check appends what this machine lacks. The limit of open files is a finding of checkup.
func (s *System) check(f *finding.List) {
	s.checkProcesses(f)
	s.checkMemory(f)
	switch {
	case s.ClockSynchronous == nil:
	case *s.ClockSynchronous:
		f.OK("host clock", "", "the kernel says that it is synchronized")
	default:
		f.Warn("host clock", "", "run an NTP client, such as chrony or systemd-timesyncd, on the host",
			"the kernel says that it is not synchronized: tokens and user JWTs are valid by this clock")
	}
}

func (s *System) checkProcesses(f *finding.List) {
	limit := s.Processes
	if s.CgroupProcesses > 0 && (limit == 0 || s.CgroupProcesses < limit) {
		limit = s.CgroupProcesses
	}
	switch {
	case limit == 0:
	case limit < minProcesses:
		f.Warn("processes", "", "raise LimitNPROC and TasksMax of the unit, or the pid limit of the container",
			"at most %d processes and threads, %s: usher needs threads for disks and signing programs", limit, ifStarted)
	default:
		f.OK("processes", "", "at most %d processes and threads", limit)
	}
}

func (s *System) checkMemory(f *finding.List) {
	const check = "memory"
	limit := s.CgroupMemory
	if limit == 0 || s.Memory > 0 && limit >= s.Memory {
		if s.MemoryAvailable > 0 && s.MemoryAvailable < minMemory {
			f.Warn(check, "", "stop what uses the memory, or give the machine more", "%s are available", size(s.MemoryAvailable))
		} else if s.MemoryAvailable > 0 {
			f.OK(check, "", "%s of %s are available", size(s.MemoryAvailable), size(s.Memory))
		}
		return
	}
	wanted := limit / 10 * 9
	switch {
	case s.GoMemoryLimit == 0:
		f.Warn(check, "", "set the environment variable GOMEMLIMIT="+goSize(wanted)+" for usher serve",
			"the container or unit may use %s, and GOMEMLIMIT is not set, %s: the system may kill usher before Go has freed memory", size(limit), ifStarted)
	case s.GoMemoryLimit > limit:
		f.Warn(check, "", "set GOMEMLIMIT="+goSize(wanted), "GOMEMLIMIT is %s, more than the %s that the container or unit may use", size(s.GoMemoryLimit), size(limit))
	default:
		f.OK(check, "", "the container or unit may use %s, GOMEMLIMIT is %s", size(limit), size(s.GoMemoryLimit))
	}
}
