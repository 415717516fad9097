package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"usher/internal/fault"
	"usher/internal/secretfile"

	"usher/api/projects"
	"usher/app/accounts"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/deployment"
	"usher/issuer/keyring"
)

// accountService creates and closes accounts for the management API. It holds no key and no
// connection between requests.
type accountService struct {
	cfg   *config.Config
	log   *slog.Logger
	mutex chan struct{} // held by the current request: one at a time changes the keyring
}

// accountService returns the account service, or nil if operator.create_accounts is false.
// A missing key or file is an error at the start, not at the first request.
func (srv *Server) accountService() (projects.Accounts, error) {
	cfg := srv.cfg
	if !cfg.Operator.CreateAccounts {
		return nil, nil
	}
	signer, err := deployment.OperatorKey(cfg)
	if err != nil {
		return nil, err
	}
	signer.Wipe()
	if err := secretfile.CheckSecret(cfg.Operator.SystemCredsFile, cfg.Keyring.AllowGroupReadable); err != nil {
		return nil, fault.InConfig(fmt.Errorf("operator.system_creds_file: %w", err))
	}
	return &accountService{cfg: cfg, log: srv.log, mutex: make(chan struct{}, 1)}, nil
}

// with calls do with an account maker, once no other request uses one.
func (s *accountService) with(ctx context.Context, do func(m *deployment.AccountMaker) error) error {
	select {
	case s.mutex <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.mutex }()
	l, err := deployment.Open(s.cfg)
	if err != nil {
		return err
	}
	m, err := l.AccountMaker(func(line string) {
		s.log.LogAttrs(ctx, slog.LevelInfo, "account of a project", slog.String("step", line))
	})
	if err != nil {
		l.Close()
		return err
	}
	defer m.End()
	defer m.Rotator.Operator.Signer.Wipe()
	return do(m)
}

// Create implements projects.Accounts.
func (s *accountService) Create(ctx context.Context, names []string, may func() error, progress func(done, total int)) error {
	return s.with(ctx, func(m *deployment.AccountMaker) error {
		m.May = may
		m.Progress = func(step accounts.Step, done, total int) {
			if step == accounts.StepPush && total > 1 {
				progress(done, total)
			}
		}
		_, err := m.Open(ctx, names)
		if errors.Is(err, accounts.ErrTaken) {
			return fmt.Errorf("%w: %w", projects.ErrAccountTaken, err)
		}
		return err
	})
}

// Created implements projects.Accounts.
func (s *accountService) Created() (map[string]projects.Account, error) {
	state, err := keyring.ReadState(s.cfg.Keyring.Dir, assembly.KeyringConfig(s.cfg))
	if err != nil {
		return nil, assembly.KeyringError(s.cfg, err)
	}
	made := map[string]projects.Account{}
	for name, closing := range accounts.Made(state) {
		made[name] = projects.Account{Closing: closing}
	}
	return made, nil
}

// LeftBy implements projects.Accounts.
func (s *accountService) LeftBy(project string) (string, error) {
	known, err := deployment.Accounts(s.cfg)
	return accounts.Closing(known, project), err
}

// Close implements projects.Accounts.
func (s *accountService) Close(ctx context.Context, account, project string, purge bool, may func() error, remove func(context.Context) error) error {
	return s.with(ctx, func(m *deployment.AccountMaker) error {
		m.May = may
		_, err := m.Close(ctx, account, accounts.CloseOptions{Project: project, Purge: purge, Remove: remove})
		return err
	})
}
