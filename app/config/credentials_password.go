package config

import "time"

// Password configures user names and passwords of the directory as credentials.
type Password struct {
	Enabled  bool          `yaml:"enabled" doc:"Accept a user of the directory who presents user name and password. Otherwise a password can only be a token."`
	Memory   int           `yaml:"memory" default:"256" rule:"between=128..65536" doc:"MiB that all password hashes take at a time. A hash of usher password hash takes 19 MiB, and one of another program up to 128 MiB."`
	Parallel int           `yaml:"parallel" default:"0" rule:"between=0..256" doc:"Number of hashes that are computed at a time. Each keeps a CPU busy. 0: half of the CPUs, so that clients with other credentials do not wait."`
	Remember time.Duration `yaml:"remember" default:"10m" rule:"zero-or-at-least=1s at-most=24h" doc:"How long usher remembers the result of a hash, as a keyed digest in memory, so that clients which reconnect do not wait. It forgets a password that changes at once. 0s: not at all."`
}
