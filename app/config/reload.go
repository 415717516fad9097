package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/internal/strictyaml"
)

// Reload returns the configuration with those keys of a file that take effect at a reload, and the
// keys in which the file differs otherwise, which need a restart. The error is that of File.Load:
// the file may be valid, and its rules not go with the credentials and accounts that are in use.
func (c *Config) Reload(f *File) (next *Config, restart []string, err error) {
	read, err := f.Load()
	if err != nil {
		return nil, nil, err
	}
	restart = slices.DeleteFunc(table().Differences(c, read), table().Live)
	merged := *c
	table().TakeLive(&merged, read)
	if faults := merged.reloadFaults(f, restart); len(faults) > 0 {
		return nil, restart, faults
	}
	return &merged, restart, nil
}

// Differences returns the keys in which two configurations differ, in the order of the file.
func (c *Config) Differences(other *Config) []string { return table().Differences(c, other) }

// reloadFaults returns what the identities and profiles of f cannot have without a restart.
func (c *Config) reloadFaults(f *File, restart []string) (faults strictyaml.Errors) {
	src, err := strictyaml.Decode(f.Path, f.data, &Config{})
	if err != nil && !errors.As(err, &faults) {
		return strictyaml.Errors{{File: f.Path, Message: err.Error()}}
	}
	hint := "restart usher: these keys have changed too: " + strings.Join(restart, ", ")
	_, problems := c.IdentityRules()
	for _, p := range problems {
		faults = append(faults, src.Errorf("identities."+p.Path, hint, "%s", p.Message))
	}
	for i := range c.Profiles {
		if account := c.Profiles[i].Account; account == c.Accounts.Callout || account == c.Accounts.System {
			path := strictyaml.IndexPath("profiles", i) + ".account"
			faults = append(faults, src.Errorf(path, hint, "is the callout account or the system account that is in use"))
		}
	}
	faults.Sort()
	return faults
}

// IdentitiesDigest returns a digest of identities and profiles. Ushers that decide by the same
// identities and profiles have the same one.
func (c *Config) IdentitiesDigest() (uint64, error) {
	text, err := json.Marshal(struct {
		Identities Identities
		Profiles   []Profile
	}{c.Identities, c.Profiles})
	if err != nil {
		return 0, fmt.Errorf("digest of identities: %w", err)
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:]), nil
}

// Texts returns the value of every key as YAML on one line, by its path.
func (c *Config) Texts() (map[string]string, error) { return table().Texts(c) }

// TakesReload reports whether a change of a key takes effect at a reload.
func TakesReload(key string) bool { return table().Live(key) }

// KeysInOrder returns the keys of a set in the order of the file.
func KeysInOrder(set map[string]bool) []string {
	var keys []string
	for _, k := range table().Keys() {
		if set[k.Path] {
			keys = append(keys, k.Path)
		}
	}
	return keys
}
