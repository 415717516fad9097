package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
	"go.yaml.in/yaml/v3"
)

// config is the part of .goreleaser.yaml that is read here. What goreleaser knows beyond that
// is an error in builds and nfpms, so that a release and its check do the same.
type config struct {
	builds   []buildConfig
	packages []packageConfig
}

type buildConfig struct {
	ID           string   `yaml:"id"`
	Main         string   `yaml:"main"`
	Binary       string   `yaml:"binary"`
	Env          []string `yaml:"env"`
	GOOS         []string `yaml:"goos"`
	GOARCH       []string `yaml:"goarch"`
	Flags        []string `yaml:"flags"`
	LDFlags      []string `yaml:"ldflags"`
	ModTimestamp string   `yaml:"mod_timestamp"`
}

type packageConfig struct {
	ID               string         `yaml:"id"`
	PackageName      string         `yaml:"package_name"`
	IDs              []string       `yaml:"ids"`
	Formats          []string       `yaml:"formats"`
	FileNameTemplate string         `yaml:"file_name_template"`
	Vendor           string         `yaml:"vendor"`
	Maintainer       string         `yaml:"maintainer"`
	Description      string         `yaml:"description"`
	Homepage         string         `yaml:"homepage"`
	License          string         `yaml:"license"`
	Section          string         `yaml:"section"`
	Priority         string         `yaml:"priority"`
	Bindir           string         `yaml:"bindir"`
	MTime            string         `yaml:"mtime"`
	Umask            os.FileMode    `yaml:"umask"`
	Contents         files.Contents `yaml:"contents"`
	Scripts          nfpm.Scripts   `yaml:"scripts"`
	RPM              nfpm.RPM       `yaml:"rpm"`
	Deb              nfpm.Deb       `yaml:"deb"`
}

func readConfig(root string) (*config, error) {
	path := filepath.Join(root, ".goreleaser.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var c config
	for key, into := range map[string]any{"builds": &c.builds, "nfpms": &c.packages} {
		if err := strict(all[key], into); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, key, err)
		}
	}
	if len(c.builds) != 1 || len(c.packages) != 1 {
		return nil, fmt.Errorf("%s: has %d builds and %d nfpms: scripts/release understands one of each", path, len(c.builds), len(c.packages))
	}
	return &c, nil
}

// strict reads a part of a document, and refuses unknown keys.
func strict(part, into any) error {
	text, err := yaml.Marshal(part)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}

// expand fills in a template of .goreleaser.yaml. What goreleaser knows beyond these names is
// an error.
func (r *Release) expand(text string) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{
		"Version": r.Version, "FullCommit": r.Revision, "CommitDate": r.Date.Format("2006-01-02T15:04:05Z07:00"), "CommitTimestamp": r.Date.Unix(),
	})
	return out.String(), err
}
