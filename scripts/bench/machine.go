package main

import (
	"context"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine describes the machine and the versions of a run.
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	OS         string `json:"os"`
	Go         string `json:"go"`
	NATSServer string `json:"nats_server"`
	Usher      string `json:"usher"`
	Date       string `json:"date"`
}

const unknown = "unknown"

func (r *runner) machine(ctx context.Context) machine {
	return machine{
		CPU: r.cpuModel(), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		NATSServer: outputOrUnknown(ctx, "go", "list", "-m", "-f", "{{.Version}}", natsServerModule),
		Usher:      outputOrUnknown(ctx, "git", "describe", "--tags", "--always", "--dirty"),
		Date:       time.Now().UTC().Format(time.RFC3339),
	}
}

// cpuModel returns the CPU model from the system, or else from the benchmarks.
func (r *runner) cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil && r.cpu != "" {
		return r.cpu
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// outputOrUnknown returns the output of a program, or unknown.
func outputOrUnknown(ctx context.Context, program string, args ...string) string {
	out, err := output(ctx, "", program, args...)
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(out))
}

func (m *machine) lines() [][2]string {
	return [][2]string{
		{"CPU", m.CPU},
		{"cores", thousands(m.Cores)},
		{"OS", m.OS},
		{"Go", m.Go},
		{"nats-server", m.NATSServer},
		{"usher", m.Usher},
		{"date", m.Date},
	}
}
