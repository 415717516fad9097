package operator

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"

	"usher/atomicfile"
	"usher/ownedfile"
)

// Dir is a directory with operator.jwt and accounts/NAME.jwt.
type Dir string

const (
	fileOperator = "operator.jwt"
	dirAccounts  = "accounts"
	suffixJWT    = ".jwt"
	maxJWT       = jwt.MaxTokenSize
)

// OperatorFile returns the path of the operator's JWT.
func (d Dir) OperatorFile() string { return filepath.Join(string(d), fileOperator) }

// AccountFile returns the path of an account's JWT.
func (d Dir) AccountFile(name string) string {
	return filepath.Join(string(d), dirAccounts, name+suffixJWT)
}

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
		return nil, "", fmt.Errorf("account %q cannot be the name of a file", name)
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

// WriteAccount puts an account's JWT in place, in one step.
func (d Dir) WriteAccount(name, text string) error {
	return atomicfile.Write(d.AccountFile(name), []byte(text+"\n"), 0o600, nil)
}
