package main

import (
	"context"
	"log/slog"
)

// warnAccounts logs where users could land that no key signs for (operator mode).
func (in *instance) warnAccounts() {
	s := in.parts.store.Snapshot()
	if s == nil {
		return // it is said once the directory is loaded
	}
	for _, p := range accountProblems(in.parts.policy, s, in.parts.keyring.Keyring()) {
		in.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the keyring",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
}
