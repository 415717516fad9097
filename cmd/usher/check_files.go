package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/app/config"
	"usher/directory/snapshot"
	"usher/internal/strictyaml"
	"usher/issuer"
)

// files looks at what lies on disk, each file on its own, so that a fault of one
// hides none of another. Keyring and directory are nil if they cannot be used.
func (f *findings) files(ctx context.Context, path string, cfg *config.Config, offline bool) (*issuer.Keyring, *snapshot.Snapshot) {
	f.ok("configuration", "", "valid")
	keys, err := loadKeyring(cfg)
	if err != nil {
		f.failed("keyring", err)
	} else {
		f.ok("keyring", cfg.Keyring.Dir, "%s, %s", counted(len(keys.Signers()), signerWord(keys)), counted(len(keys.XKeys()), "xkey"))
	}
	snapshot := f.directory(ctx, path, cfg, keys, offline)
	f.api(ctx, cfg, offline)
	if keys != nil {
		f.openFiles(cfg, keys)
	}
	if _, err := serviceOptions(cfg); err != nil {
		f.failed("service user", configError(err))
	}
	if cfg.Accounts.HealthCheck == "" {
		f.warn("health check", "", "set accounts.healthcheck and healthcheck.token_file", "none is configured")
	}
	return keys, snapshot
}

// signerWord is what a key that signs is called.
func signerWord(keys *issuer.Keyring) string {
	if keys.Operator() {
		return "signing key"
	}
	return "issuer key"
}

// directory looks at the directory, and returns it unless it cannot be used.
func (f *findings) directory(ctx context.Context, path string, cfg *config.Config, keys *issuer.Keyring, offline bool) *snapshot.Snapshot {
	snapshot, where := f.loaded(ctx, path, cfg, offline)
	if snapshot != nil {
		size := snapshot.Size()
		f.ok("directory", where, "%s, %s, %s, %s, %s",
			counted(size.Users, "user"), counted(size.Keys, "key"), counted(size.Projects, "project"),
			counted(size.Topics, "topic"), counted(size.Subscriptions, "subscription"))
		for _, problem := range policyOf(cfg).CheckDirectory(snapshot) {
			f.fail(exitConfig, "directory", problem.Path, problem.Hint, "%s", problem.Message)
		}
		if keys != nil {
			for _, problem := range accountProblems(policyOf(cfg), snapshot, keys) {
				f.warn("directory", problem.Path, problem.Hint, "%s", problem.Message)
			}
			f.leftAccounts(snapshot, keys)
		}
	}
	f.accounts(cfg, snapshot)
	return snapshot
}

// loaded returns the directory, and where it was read; nil: it cannot be used.
func (f *findings) loaded(ctx context.Context, path string, cfg *config.Config, offline bool) (_ *snapshot.Snapshot, where string) {
	if cfg.Directory.From != config.DirectoryFile {
		return f.live(ctx, path, cfg, offline)
	}
	s, err := openDirectory(cfg, discardLog(), time.Now, told{})
	if err != nil {
		f.failed("directory", err)
		return nil, ""
	}
	return s.Snapshot(), cfg.Directory.File
}

// programs has every program of the keyring sign something that means nothing, as
// long as a request would let it.
func (f *findings) programs(ctx context.Context, cfg *config.Config, keys *issuer.Keyring) {
	for _, k := range keys.Keys() {
		s, signs := keys.Signer(k.PublicKey)
		if len(k.Command) == 0 || !signs {
			continue
		}
		budget, cancel := context.WithTimeout(ctx, cfg.Callout.Budget)
		start := time.Now()
		_, err := s.Sign(budget, []byte("usher check: does this program sign?"))
		took := time.Since(start).Round(time.Millisecond)
		cancel()
		const contract = "docs/reference/signing-programs.md says what a program has to do"
		switch {
		case errors.Is(err, issuer.ErrSignature):
			f.fail(exitConfig, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case err != nil:
			f.fail(exitRuntime, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case 2*took > cfg.Callout.Budget:
			f.warn("keyring", k.Command[0], "let it ask something that is nearer, or keeps its connection open",
				"signs for %s in %v: an answer takes two signatures, and callout.budget is %v", k.PublicKey, took, cfg.Callout.Budget)
		default:
			f.ok("keyring", k.Command[0], "signs for %s in %v", k.PublicKey, took)
		}
	}
}

// failed turns an error into findings: one for each fault of a file, or one for
// each line.
func (f *findings) failed(check string, err error) {
	var located strictyaml.Errors
	if errors.As(err, &located) {
		for _, l := range located {
			f.fail(exitConfig, check, place(&l), l.Hint, "%s", l.Message)
			(*f)[len(*f)-1].Path = l.Path
		}
		return
	}
	var text strings.Builder
	report(&text, err)
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "usher: "), "\n")
		if hint, ok := strings.CutPrefix(line, "hint: "); ok && len(*f) > 0 {
			(*f)[len(*f)-1].Hint = hint
			continue
		}
		f.fail(exitConfig, check, "", "", "%s", strings.TrimPrefix(line, "error: "))
	}
}

// place returns FILE:LINE:COLUMN as far as it is known.
func place(e *strictyaml.Error) string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(":%d", e.Line)
	}
	if e.Line > 0 && e.Column > 0 {
		where += fmt.Sprintf(":%d", e.Column)
	}
	return where
}
