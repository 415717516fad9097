package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v4"

	"usher/callout/callouttest"
)

// TestClusterExample is TestExamples for the cluster, whose hosts are three loopback addresses
// here. It loses one of them.
func TestClusterExample(t *testing.T) {
	t.Parallel()
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	program := callouttest.Build(t, "usher", ".")
	e := newExample(t, "cluster", natsServer, program, " --token-file", " --token-file") // it says where the servers are
	e.follow(t, "## Run it on one machine\n")
	e.follow(t, "## Try it\n")
	for _, program := range []string{"usher", "nats-server"} {
		callouttest.Must(t, e.running["./start.sh "+program+" n1 &"].Process.Signal(syscall.SIGKILL))
	}
	e.follow(t, "## Lose a host\n")
	composeFits(t, e.dir, program)
}

// The files of rules that prometheus.yml of the cluster names exist.
func TestClusterExampleRules(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "examples", "cluster")
	text, err := os.ReadFile(filepath.Join(dir, "prometheus.yml"))
	callouttest.Must(t, err)
	var file struct {
		Rules []string `yaml:"rule_files"`
	}
	callouttest.Must(t, yaml.Unmarshal(text, &file))
	if len(file.Rules) == 0 {
		t.Error("no rules")
	}
	for _, rules := range file.Rules {
		_, err := os.Stat(filepath.Join(dir, rules))
		callouttest.Must(t, err)
	}
}
