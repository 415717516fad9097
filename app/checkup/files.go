package checkup

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/plural"

	"usher/app/assembly"
	"usher/app/checkup/endpoint"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/issuer"
)

// checkFiles checks each file separately, so that an error of one does not hide that of
// another, and the addresses at which usher listens. Keyring and directory are nil if they
// cannot be used.
func checkFiles(ctx context.Context, f *finding.List, path string, cfg *config.Config, offline bool) (*issuer.Keyring, *snapshot.Snapshot) {
	f.OK("configuration", "", "valid")
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		f.Failed("keyring", err)
	} else {
		f.OK("keyring", cfg.Keyring.Dir, "%s, %s", plural.Count(len(keys.Signers()), signerWord(keys)), plural.Count(len(keys.XKeys()), "xkey"))
	}
	snapshot := checkDirectory(ctx, f, path, cfg, keys, offline)
	endpoint.CheckAPI(ctx, f, cfg, offline)
	endpoint.CheckX509(f, cfg)
	endpoint.CheckPush(f, cfg)
	if !offline {
		endpoint.CheckHTTP(ctx, f, cfg.HTTP.Listen)
	}
	if keys != nil {
		checkOpenFiles(f, cfg, keys)
	}
	if _, err := natsconn.ServiceOptions(cfg); err != nil {
		endpoint.FailedFile(f, "service user", "", err)
	}
	endpoint.CheckCollector(ctx, f, cfg, offline)
	checkVerifiers(ctx, f, cfg, keys, snapshot, offline)
	if cfg.Accounts.HealthCheck == "" {
		f.Warn("health check", "", "set accounts.healthcheck and healthcheck.token_file", "none is configured")
	}
	return keys, snapshot
}

// signerWord is the noun for a key that signs.
func signerWord(keys *issuer.Keyring) string {
	if keys.Operator() {
		return "signing key"
	}
	return "issuer key"
}

// checkDirectory checks the directory, and returns it; nil: it cannot be used.
func checkDirectory(ctx context.Context, f *finding.List, path string, cfg *config.Config, keys *issuer.Keyring, offline bool) *snapshot.Snapshot {
	snapshot, where := loadDirectory(ctx, f, path, cfg, offline)
	if snapshot != nil {
		size := snapshot.Size()
		f.OK("directory", where, "%s, %s, %s, %s, %s",
			plural.Count(size.Users, "user"), plural.Count(size.Keys, "key"), plural.Count(size.Projects, "project"),
			plural.Count(size.Topics, "topic"), plural.Count(size.Subscriptions, "subscription"))
		for _, problem := range assembly.Policy(cfg).CheckDirectory(snapshot) {
			f.Fail(fault.Config, "directory", problem.Path, problem.Hint, "%s", problem.Message)
		}
		checkKeysOff(f, where, cfg, snapshot)
		checkRuleNames(f, path, cfg, snapshot)
		if keys != nil {
			for _, problem := range assembly.AccountProblems(assembly.Policy(cfg), snapshot, keys) {
				f.Warn("directory", problem.Path, problem.Hint, "%s", problem.Message)
			}
			checkOrphanedAccounts(f, snapshot, keys)
		}
	}
	checkAccounts(f, cfg, snapshot)
	return snapshot
}

// loadDirectory returns the directory and the file or bucket that it is from; nil: it cannot
// be used.
func loadDirectory(ctx context.Context, f *finding.List, path string, cfg *config.Config, offline bool) (_ *snapshot.Snapshot, where string) {
	if cfg.Directory.From != config.DirectoryFile {
		return checkKVDirectory(ctx, f, path, cfg, offline)
	}
	s, err := assembly.OpenDirectory(cfg, slog.New(slog.DiscardHandler), time.Now, assembly.Observers{})
	if err != nil {
		f.Failed("directory", err)
		return nil, ""
	}
	return s.Snapshot(), cfg.Directory.File
}

// checkPrograms runs every signing program of the keyring on a test message, within the
// budget of a request.
func checkPrograms(ctx context.Context, f *finding.List, cfg *config.Config, keys *issuer.Keyring) {
	for _, k := range keys.Keys() {
		s, ok := keys.Signer(k.PublicKey)
		if len(k.Command) == 0 || !ok {
			continue
		}
		budget, cancel := context.WithTimeout(ctx, cfg.Callout.Budget)
		start := time.Now()
		_, err := s.Sign(budget, []byte("usher check: does this program sign?"))
		took := time.Since(start).Round(time.Millisecond)
		cancel()
		const contract = "see docs/reference/signing-programs.md for what a program must do"
		switch {
		case errors.Is(err, issuer.ErrSignature):
			f.Fail(fault.Config, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case err != nil:
			f.Fail(fault.Runtime, "keyring", k.Command[0], contract, "does not sign for %s: %v", k.PublicKey, err)
		case 2*took > cfg.Callout.Budget:
			f.Warn("keyring", k.Command[0], "make it faster: ask a closer service, or keep the connection open",
				"signs for %s in %v, which is slow: an answer needs two signatures within callout.budget, %v", k.PublicKey, took, cfg.Callout.Budget)
		default:
			f.OK("keyring", k.Command[0], "signs for %s in %v", k.PublicKey, took)
		}
	}
}
