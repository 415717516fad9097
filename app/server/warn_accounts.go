package server

import (
	"context"
	"log/slog"

	"usher/app/assembly"
)

// logAccountProblems logs accounts that users get and that no key signs for (operator mode).
func (srv *Server) logAccountProblems() {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return // logged once the directory is loaded
	}
	for _, p := range assembly.AccountProblems(srv.Parts.Policy, s, srv.Parts.Keyring.Keyring()) {
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "directory does not fit the keyring",
			slog.String("where", p.Path), slog.String("problem", p.Message), slog.String("hint", p.Hint))
	}
}
