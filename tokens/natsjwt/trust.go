package natsjwt

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/identity"
	"usher/internal/filewatch"
	"usher/tokens"
)

// trust is what says which issuers are trusted.
type trust struct {
	accounts map[string]*jwt.AccountClaims // signed by a trusted operator, by public key
	dirs     []string                      // in which they were
	failed   error                         // of the last attempt to read them; nil: these are the newest
}

// issuer is what is known of the issuer of a user JWT.
type issuer struct {
	account, name, role string
	limits              jwt.UserPermissionLimits // those of the JWT, or of the scoped signing key
	claims              *jwt.AccountClaims       // nil: no account JWT is needed
	expires             int64                    // of the account JWT
}

func (i *issuer) isRevoked(c *jwt.UserClaims) bool {
	return i.claims != nil && i.claims.Revocations.IsRevoked(c.Subject, time.Unix(c.IssuedAt, 0))
}

// issuerOf returns the issuer of a user JWT, if it is trusted. Errors are rejections, or
// wrap tokens.ErrUnavailable.
func (t *trust) issuerOf(c *jwt.UserClaims, cfg *Config) (issuer, error) {
	i := issuer{account: c.Issuer, limits: c.UserPermissionLimits}
	if c.IssuerAccount != "" {
		i.account = c.IssuerAccount
	}
	untrusted := func(cause string) (issuer, error) {
		return issuer{}, tokens.Reject(CodeIssuer, cause, identity.Identity{})
	}
	if len(cfg.Accounts) > 0 && !slices.Contains(cfg.Accounts, i.account) {
		return untrusted("the user JWT is not of a trusted account")
	}
	if len(cfg.Operators) == 0 {
		if c.Issuer != i.account {
			return untrusted("the user JWT is of a signing key, and without an operator only the account itself is trusted")
		}
		return i, nil
	}
	var ok bool
	if i.claims, ok = t.accounts[i.account]; !ok {
		if t.failed != nil {
			return issuer{}, errStale
		}
		return untrusted("no trusted operator has signed the account of the user JWT")
	}
	i.name, i.expires = i.claims.Name, i.claims.Expires
	if c.Issuer != i.account {
		scope, ok := i.claims.SigningKeys.GetScope(c.Issuer)
		if !ok {
			return untrusted("the issuer of the user JWT is not a signing key of its account")
		}
		if user, ok := scope.(*jwt.UserScope); ok {
			if err := user.ValidateScopedSigner(c); err != nil {
				return untrusted("the user JWT of a scoped signing key has limits of its own")
			}
			i.limits, i.role = user.Template, user.Role
		} else if scope != nil {
			return untrusted("the signing key of the user JWT has a scope that usher does not know")
		}
	}
	if i.limits.BearerToken && i.claims.Limits.DisallowBearer {
		return untrusted("the account does not allow user JWTs without a signature")
	}
	return i, nil
}

// load reads the account JWTs. After an error the old ones stay in force.
func (v *Verifier) load() error {
	if v.cfg.Dir == "" {
		return nil
	}
	v.loads.Add(1)
	accounts, dirs, err := readAccounts(v.cfg.Dir, v.cfg.Operators)
	if err != nil {
		v.failures.Add(1)
		old := v.trust.Load()
		v.trust.Store(&trust{old.accounts, old.dirs, err})
		return err
	}
	v.trust.Store(&trust{accounts: accounts, dirs: dirs})
	return nil
}

// again is the time between attempts to watch a directory that cannot be watched.
const again = 30 * time.Second

// Run implements tokens.Background: it reads the account JWTs again when they change.
func (v *Verifier) Run(ctx context.Context) {
	if v.cfg.Dir == "" {
		return
	}
	load := func() { _ = v.load() } // Status shows the error
	watch := filewatch.Watch{Dirs: func() []string { return v.trust.Load().dirs }, Check: load, Lost: func(error) { load() }}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := watch.Run(ctx); err != nil {
			load()
		}
		timer.Reset(again)
	}
}

// extension is that of files with JWTs, in the directories of nats-server and of nsc.
const extension = ".jwt"

// maxDepth is how deep files may be: nsc has accounts/NAME/NAME.jwt, and nats-server a
// folder for each end of an account's key, if it is told to.
const maxDepth = 2

// readAccounts reads the account JWTs below dir that one of the operators has signed, and
// returns the directories that it read. Of two JWTs of an account the newer one counts.
// They need no protection but that of their signatures: whoever can write them can only
// bring old ones back.
func readAccounts(dir string, operators []string) (map[string]*jwt.AccountClaims, []string, error) {
	accounts, dirs := map[string]*jwt.AccountClaims{}, []string(nil)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && depth(dir, path) > maxDepth:
			return filepath.SkipDir
		case e.IsDir():
			dirs = append(dirs, path)
			return nil
		case filepath.Ext(path) != extension:
			return nil
		}
		c, err := readAccount(path, operators)
		if err != nil {
			return err
		}
		if c != nil && (accounts[c.Subject] == nil || accounts[c.Subject].IssuedAt < c.IssuedAt) {
			accounts[c.Subject] = c
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("account JWTs: %w", err)
	}
	return accounts, dirs, nil
}

func depth(dir, path string) int {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == "." {
		return 0
	}
	return strings.Count(rel, string(filepath.Separator)) + 1
}

// readAccount returns the claims of an account JWT; nil for any other JWT, and for one
// that none of the operators has signed.
func readAccount(path string, operators []string) (*jwt.AccountClaims, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > jwt.MaxTokenSize:
		return nil, fmt.Errorf("%s: it is not a file of at most %d bytes", path, jwt.MaxTokenSize)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the folder is the operator's
	if err != nil {
		return nil, err
	}
	claims, err := jwt.Decode(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: it is not a JWT of NATS that its issuer has signed", path)
	}
	if c, ok := claims.(*jwt.AccountClaims); ok && slices.Contains(operators, c.Issuer) {
		return c, nil
	}
	return nil, nil //nolint:nilnil // it says nothing about an account of these operators
}
