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

// Reload returns the configuration with the identities and profiles of a file, and the keys
// in which the file differs otherwise, which need a restart. The error is that of
// File.Load: the file may be valid, and its rules not go with the credentials and accounts
// that are in use.
func (c *Config) Reload(f *File) (next *Config, restart []string, err error) {
	read, err := f.Load()
	if err != nil {
		return nil, nil, err
	}
	restart = slices.DeleteFunc(table().Differences(c, read), reloadable)
	merged := *c
	merged.Identities, merged.Profiles = read.Identities, read.Profiles
	if faults := merged.reloadFaults(f, restart); len(faults) > 0 {
		return nil, restart, faults
	}
	return &merged, restart, nil
}

// reloadable reports whether a key can change while usher runs.
func reloadable(key string) bool {
	return strings.HasPrefix(key, "identities.") || key == "profiles"
}

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

// IdentitiesDigest returns a digest of what Reload can change. Ushers that decide by the same
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
