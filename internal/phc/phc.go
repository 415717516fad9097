// Package phc makes, reads and compares the hash of a password as it is stored: a PHC
// string of argon2id (https://github.com/P-H-C/phc-string-format), or the modular crypt
// form of bcrypt, which is only read.
//
// It promises that a hash which it accepts has bounded costs: whoever writes a directory
// cannot make a login take a gigabyte or a minute. Its errors never quote a hash or a
// password. It does not bound how many hashes are computed at once.
package phc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The limits of what is accepted. They allow the defaults of the usual libraries and the
// second recommended option of RFC 9106 (64 MiB, three passes).
const (
	MaxMemory  = 128 * 1024     // KiB: what one login may take
	MaxFill    = 4 * 64 * 1024  // KiB: memory times passes, which is what the time of a login depends on
	MaxThreads = 16             // argon2id: parallelism
	MinCost    = bcrypt.MinCost // bcrypt
	MaxCost    = 14             // bcrypt: about a second

	minMemory, minSalt, maxSalt, minSum, maxSum = 1024, 8, 64, 16, 64

	// maxLength is more than any hash within these limits has.
	maxLength = 256
)

// Argon2id is an argon2id hash, and what it was made with.
type Argon2id struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
	Salt    []byte
	Sum     []byte
}

// ErrForm: a text that is neither a PHC string of argon2id nor a bcrypt hash.
var ErrForm = errors.New("expected a hash such as $argon2id$v=19$m=19456,t=2,p=1$… or $2b$…")

const prefix = "$argon2id$"

// Check reports why a text is not a hash that usher accepts.
func Check(text string) error {
	if _, ok := Bcrypt(text); ok {
		return checkBcrypt(text)
	}
	_, err := Parse(text)
	return err
}

// Bcrypt returns a bcrypt hash for golang.org/x/crypto/bcrypt, and false if the text has
// another form. Check tells whether the hash is well formed.
func Bcrypt(text string) ([]byte, bool) {
	for _, p := range []string{"$2a$", "$2b$", "$2y$"} {
		if strings.HasPrefix(text, p) {
			return []byte(text), true
		}
	}
	return nil, false
}

func checkBcrypt(text string) error {
	const length, costEnd, alphabet = 60, len("$2b$12$"), "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != length || text[costEnd-1] != '$' || strings.Trim(text[costEnd:], alphabet) != "" {
		return errors.New("the bcrypt hash is incomplete or damaged")
	}
	if cost < MinCost || cost > MaxCost {
		return fmt.Errorf("the cost of a bcrypt hash must be between %d and %d", MinCost, MaxCost)
	}
	return nil
}

// Parse parses a PHC string of argon2id. It accepts what String writes, and nothing else.
func Parse(text string) (Argon2id, error) {
	var a Argon2id
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) > maxLength {
		return a, ErrForm
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 4 || parts[0] != "v="+strconv.Itoa(argon2.Version) {
		return a, errors.New("expected $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	var err error
	if err = a.parseParameters(parts[1]); err != nil {
		return Argon2id{}, err
	}
	encoding := base64.RawStdEncoding.Strict()
	if a.Salt, err = encoding.DecodeString(parts[2]); err != nil || len(a.Salt) < minSalt || len(a.Salt) > maxSalt {
		return Argon2id{}, fmt.Errorf("the salt must have %d to %d bytes, as base64 without padding", minSalt, maxSalt)
	}
	if a.Sum, err = encoding.DecodeString(parts[3]); err != nil || len(a.Sum) < minSum || len(a.Sum) > maxSum {
		return Argon2id{}, fmt.Errorf("the hash must have %d to %d bytes, as base64 without padding", minSum, maxSum)
	}
	if a.String() != text { // a base64 decoder skips line breaks
		return Argon2id{}, ErrForm
	}
	return a, nil
}

// parseParameters parses "m=19456,t=2,p=1".
func (a *Argon2id) parseParameters(text string) error {
	list := strings.Split(text, ",")
	if len(list) != 3 {
		return errors.New("expected the parameters m, t and p")
	}
	values := [3]uint64{}
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(list[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return errors.New("expected the parameters m, t and p as decimal numbers")
		}
		values[i] = n
	}
	memory, passes, threads := values[0], values[1], values[2]
	switch {
	case threads < 1 || threads > MaxThreads:
		return fmt.Errorf("p must be between 1 and %d", MaxThreads)
	case memory < minMemory || memory > MaxMemory:
		return fmt.Errorf("m must be between %d and %d (KiB)", minMemory, MaxMemory)
	case passes < 1 || memory*passes > MaxFill:
		return fmt.Errorf("t must be at least 1, and m times t at most %d", MaxFill)
	}
	a.Memory, a.Passes, a.Threads = uint32(memory), uint32(passes), uint8(threads) //nolint:gosec // bounded above
	return nil
}

// String returns the PHC string.
func (a *Argon2id) String() string {
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", prefix, argon2.Version, a.Memory, a.Passes, a.Threads,
		base64.RawStdEncoding.EncodeToString(a.Salt), base64.RawStdEncoding.EncodeToString(a.Sum))
}
