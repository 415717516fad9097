package server

import (
	"context"
	"log/slog"

	"usher/app/assembly"
)

// warnAccounts logs where users could land that no key signs for (operator mode).
func (srv *Server) warnAccounts() {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return // it is said once the directory is loaded
	}
	for _, p := range assembly.AccountProblems(srv.Parts.Policy, s, srv.Parts.Keyring.Keyring()) {
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the keyring",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
}
