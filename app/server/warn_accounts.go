package server

import (
	"context"
	"log/slog"

	"usher/app/assembly"
)

// warnAccounts logs where users could land that no key signs for (operator mode).
func (in *Server) warnAccounts() {
	s := in.Parts.Store.Snapshot()
	if s == nil {
		return // it is said once the directory is loaded
	}
	for _, p := range assembly.AccountProblems(in.Parts.Policy, s, in.Parts.Keyring.Keyring()) {
		in.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the keyring",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
}
