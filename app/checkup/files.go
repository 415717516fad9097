package checkup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/plural"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/internal/strictyaml"
	"usher/issuer"
)

// files looks at what lies on disk, each file on its own, so that a fault of one
// hides none of another. Keyring and directory are nil if they cannot be used.
func (f *Findings) files(ctx context.Context, path string, cfg *config.Config, offline bool) (*issuer.Keyring, *snapshot.Snapshot) {
	f.ok("configuration", "", "valid")
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		f.Failed("keyring", err)
	} else {
		f.ok("keyring", cfg.Keyring.Dir, "%s, %s", plural.Count(len(keys.Signers()), signerWord(keys)), plural.Count(len(keys.XKeys()), "xkey"))
	}
	snapshot := f.directory(ctx, path, cfg, keys, offline)
	f.api(ctx, cfg, offline)
	if keys != nil {
		f.openFiles(cfg, keys)
	}
	if _, err := natsconn.ServiceOptions(cfg); err != nil {
		f.Failed("service user", fault.InConfig(err))
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
func (f *Findings) directory(ctx context.Context, path string, cfg *config.Config, keys *issuer.Keyring, offline bool) *snapshot.Snapshot {
	snapshot, where := f.loaded(ctx, path, cfg, offline)
	if snapshot != nil {
		size := snapshot.Size()
		f.ok("directory", where, "%s, %s, %s, %s, %s",
			plural.Count(size.Users, "user"), plural.Count(size.Keys, "key"), plural.Count(size.Projects, "project"),
			plural.Count(size.Topics, "topic"), plural.Count(size.Subscriptions, "subscription"))
		for _, problem := range assembly.Policy(cfg).CheckDirectory(snapshot) {
			f.fail(fault.Config, "directory", problem.Path, problem.Hint, "%s", problem.Message)
		}
		if keys != nil {
			for _, problem := range assembly.AccountProblems(assembly.Policy(cfg), snapshot, keys) {
				f.warn("directory", problem.Path, problem.Hint, "%s", problem.Message)
			}
			f.leftAccounts(snapshot, keys)
		}
	}
	f.accounts(cfg, snapshot)
	return snapshot
}

// loaded returns the directory, and where it was read; nil: it cannot be used.
func (f *Findings) loaded(ctx context.Context, path string, cfg *config.Config, offline bool) (_ *snapshot.Snapshot, where string) {
	if cfg.Directory.From != config.DirectoryFile {
		return f.live(ctx, path, cfg, offline)
	}
	s, err := assembly.OpenDirectory(cfg, slog.New(slog.DiscardHandler), time.Now, assembly.Observers{})
	if err != nil {
		f.Failed("directory", err)
		return nil, ""
	}
	return s.Snapshot(), cfg.Directory.File
}

// programs has every program of the keyring sign something that means nothing, as
// long as a request would let it.
func (f *Findings) programs(ctx context.Context, cfg *config.Config, keys *issuer.Keyring) {
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
			f.fail(fault.Config, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case err != nil:
			f.fail(fault.Runtime, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case 2*took > cfg.Callout.Budget:
			f.warn("keyring", k.Command[0], "let it ask something that is nearer, or keeps its connection open",
				"signs for %s in %v: an answer takes two signatures, and callout.budget is %v", k.PublicKey, took, cfg.Callout.Budget)
		default:
			f.ok("keyring", k.Command[0], "signs for %s in %v", k.PublicKey, took)
		}
	}
}

// Failed turns an error into findings: one for each fault of a file, or one for
// each line.
func (f *Findings) Failed(check string, err error) {
	var located strictyaml.Errors
	if errors.As(err, &located) {
		for _, l := range located {
			f.fail(fault.Config, check, place(&l), l.Hint, "%s", l.Message)
			(*f)[len(*f)-1].Path = l.Path
		}
		return
	}
	hint := ""
	var e *fault.Error
	if errors.As(err, &e) {
		hint, err = e.Hint, e.Err
	}
	if err == nil {
		return
	}
	lines := strings.Split(strings.TrimSuffix(err.Error(), "\n"), "\n")
	for i, line := range lines {
		if i < len(lines)-1 {
			f.fail(fault.Config, check, "", "", "%s", line)
		} else {
			f.fail(fault.Config, check, "", hint, "%s", line)
		}
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
