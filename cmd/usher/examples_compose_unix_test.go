//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"usher/callout/callouttest"
)

// composeFile is what the tests look at in compose.yaml.
type composeFile struct {
	Services map[string]struct {
		Image       string   `yaml:"image"`
		Command     []string `yaml:"command"`
		Volumes     []string `yaml:"volumes"`
		NetworkMode string   `yaml:"network_mode"`
	} `yaml:"services"`
}

// composeFits checks compose.yaml of an example that was set up: the images are known, the
// files and folders exist, and the commands of usher have the options.
func composeFits(t *testing.T, dir, program string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	callouttest.Must(t, err)
	var file composeFile
	callouttest.Must(t, yaml.Unmarshal(text, &file))
	if len(file.Services) < 2 {
		t.Errorf("%d services", len(file.Services))
	}
	ushers := 0
	for name, s := range file.Services {
		if !slices.Contains(composeImages(t), s.Image) {
			t.Errorf("%s: image %s", name, s.Image)
		}
		inside := map[string]string{} // folder in the container: folder here
		for _, volume := range s.Volumes {
			from, to, _ := strings.Cut(strings.ReplaceAll(volume, "${PWD}", dir), ":")
			to, _, _ = strings.Cut(to, ":")
			if !filepath.IsAbs(from) {
				from = filepath.Join(dir, from)
			}
			// Example folders are copies: what is outside of them is in the repository.
			if rel, err := filepath.Rel(filepath.Dir(filepath.Dir(dir)), from); err == nil && strings.HasPrefix(rel, "deploy") {
				from = filepath.Join("..", "..", rel)
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s: volume %s: %v", name, volume, err)
			}
			inside[to] = from
		}
		if other, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok && file.Services[other].Image == "" {
			t.Errorf("%s: no service %s", name, other)
		}
		if strings.HasPrefix(s.Image, "usher:") {
			ushers++
			usherCommandFits(t, program, dir, s.Command, inside)
		}
	}
	if ushers == 0 {
		t.Error("no usher")
	}
}

// composeImages are the images that compose files may name.
func composeImages(t *testing.T) []string {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	callouttest.Must(t, err)
	server := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindSubmatch(mod)
	if server == nil {
		t.Fatal("go.mod names no nats-server")
	}
	return []string{
		"nats:" + string(server[1]), // the version that is tested
		"usher:${USHER_VERSION:?the version of the image that you loaded}",
		"usher:${USHER_VERSION}",
		"keycloak/keycloak:26.4",
		"prom/prometheus:v3.5.0",
	}
}

// usherCommandFits checks that a command of usher has the options, and that the file of its
// configuration exists.
func usherCommandFits(t *testing.T, program, dir string, command []string, inside map[string]string) {
	t.Helper()
	help, err := exec.CommandContext(t.Context(), program, command[0], "--help").CombinedOutput()
	callouttest.Must(t, err)
	for i, arg := range command {
		if strings.HasPrefix(arg, "-") && !strings.Contains(string(help), "  "+arg) {
			t.Errorf("usher %s has no option %s", command[0], arg)
		}
		if arg != "-c" {
			continue
		}
		found := false
		file := strings.ReplaceAll(command[i+1], "${PWD}", dir)
		for to, from := range inside {
			if rest, ok := strings.CutPrefix(file, to+"/"); ok {
				_, err := os.Stat(filepath.Join(from, rest))
				found = found || !errors.Is(err, fs.ErrNotExist)
			}
		}
		if !found {
			t.Errorf("usher %s: no file %s in the volumes", command[0], file)
		}
	}
}
