package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// Dir is a directory with operator.jwt, accounts/NAME.jwt and keys/.
type Dir string

const (
	fileOperator = "operator.jwt"
	dirAccounts  = "accounts"
	dirKeys      = "keys"
	dirClosed    = ".closed"
	suffixJWT    = ".jwt"
	maxJWT       = jwt.MaxTokenSize
)

// OperatorFile returns the path of the operator's JWT.
func (d Dir) OperatorFile() string { return filepath.Join(string(d), fileOperator) }

// AccountFile returns the path of an account's JWT.
func (d Dir) AccountFile(name string) string {
	return filepath.Join(string(d), dirAccounts, name+suffixJWT)
}

// IdentityDir returns the directory of the identity seeds of accounts.
func (d Dir) IdentityDir() string { return filepath.Join(string(d), dirKeys) }

// Operator returns the operator's claims.
func (d Dir) Operator() (*jwt.OperatorClaims, error) {
	text, err := d.read(d.OperatorFile())
	if err != nil {
		return nil, err
	}
	c, err := jwt.DecodeOperatorClaims(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.OperatorFile(), err)
	}
	return c, nil
}

// Account returns an account's claims and their text.
func (d Dir) Account(name string) (*jwt.AccountClaims, string, error) {
	if strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return nil, "", fmt.Errorf("account name %q cannot be a file name", name)
	}
	text, err := d.read(d.AccountFile(name))
	if err != nil {
		return nil, "", err
	}
	c, err := jwt.DecodeAccountClaims(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", d.AccountFile(name), err)
	}
	return c, text, nil
}

func (d Dir) read(path string) (string, error) {
	b, _, err := ownedfile.Read(path, ownedfile.Rule{Max: maxJWT})
	if err != nil {
		return "", fmt.Errorf("read JWT: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// WriteAccount writes an account's JWT atomically.
func (d Dir) WriteAccount(name, text string) error {
	if err := ownedfile.CheckFolder(filepath.Join(string(d), dirAccounts), ownedfile.Rule{Write: true}); err != nil {
		return fmt.Errorf("write account JWT: %w", err)
	}
	return atomicfile.Write(d.AccountFile(name), []byte(text+"\n"), 0o600, nil)
}

// CloseAccount moves the JWT of a closed account to accounts/.closed, under its public
// key, because another account may get its name. It is no error if there is none.
func (d Dir) CloseAccount(name, public string) error {
	root, err := ownedfile.OpenFolder(filepath.Join(string(d), dirAccounts))
	if err != nil {
		return fmt.Errorf("move JWT of closed account: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	if err := ownedfile.MakeSubfolder(root, dirClosed, nil); err != nil {
		return fmt.Errorf("move JWT of closed account: %w", err)
	}
	err = root.Rename(name+suffixJWT, filepath.Join(dirClosed, public+suffixJWT))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("move JWT of closed account: %w", err)
	}
	return nil
}
