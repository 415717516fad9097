// Package machine describes the machine and the versions of a run of make bench.
package machine

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine describes the machine and the versions of a run.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	OS         string `json:"os"`
	Go         string `json:"go"`
	NATSServer string `json:"nats_server"`
	Usher      string `json:"usher"`
	Date       string `json:"date"`
}

const unknown = "unknown"

// Output runs a program to its end and returns its stdout.
type Output func(ctx context.Context, dir, program string, args ...string) ([]byte, error)

// Describe describes this machine. cpu is the model as the benchmarks print it; natsServer is
// the module of nats-server.
func Describe(ctx context.Context, cpu, natsServer string, output Output) Machine {
	orUnknown := func(program string, args ...string) string {
		out, err := output(ctx, "", program, args...)
		if err != nil {
			return unknown
		}
		return strings.TrimSpace(string(out))
	}
	return Machine{
		CPU: cpuModel(cpu), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		NATSServer: orUnknown("go", "list", "-m", "-f", "{{.Version}}", natsServer),
		Usher:      orUnknown("git", "describe", "--tags", "--always", "--dirty"),
		Date:       time.Now().UTC().Format(time.RFC3339),
	}
}

// cpuModel returns the CPU model from the system, or else from the benchmarks.
func cpuModel(printed string) string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil && printed != "" {
		return printed
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// Lines returns names and values, for people.
func (m *Machine) Lines() [][2]string {
	return [][2]string{
		{"CPU", m.CPU},
		{"cores", strconv.Itoa(m.Cores)},
		{"OS", m.OS},
		{"Go", m.Go},
		{"nats-server", m.NATSServer},
		{"usher", m.Usher},
		{"date", m.Date},
	}
}
