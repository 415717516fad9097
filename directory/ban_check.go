package directory

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"usher/internal/secret"
)

const maxBanText = 256 // bytes of each text of a ban

// The shortest prefixes of networks that can be banned. A ban is no way to close a server.
const (
	minBanBits4 = 8
	minBanBits6 = 16
)

// Check returns what is wrong with the content of a ban. Paths are fields of a directory file.
func (b *Ban) Check() Problems {
	c := banChecker{}
	c.target(b)
	c.text("reason", b.Reason, true)
	c.text("by", b.By, false)
	switch {
	case b.Until.IsZero():
		c.add("until", "every ban has an end", errors.New("is missing"))
	case !b.Created.IsZero() && !b.Created.Before(b.Until):
		c.add("until", "", errors.New("is not after created_on, so the ban would never hold"))
	case !b.Created.IsZero() && b.Until.Sub(b.Created) > MaxBan:
		c.add("until", "disable the user or remove the key to refuse it for good", errors.New("is more than 10 years after created_on"))
	}
	return c.problems
}

type banChecker struct{ problems Problems }

func (c *banChecker) add(field, hint string, err error) {
	if err != nil {
		c.problems = append(c.problems, Problem{Path: field, Message: err.Error(), Hint: hint})
	}
}

// text checks a text that is shown in one line.
func (c *banChecker) text(field, text string, required bool) {
	err := checkBanText(text)
	if text == "" && required {
		err = errors.New("is missing")
	}
	c.add(field, HintFor(err), err)
}

func checkBanText(text string) error {
	switch {
	case len(text) > maxBanText:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(text), maxBanText)
	case secret.Detect(text):
		return ErrSecret
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("is not one line of printable text")
	}
	return nil
}

func (c *banChecker) target(b *Ban) {
	target := b.Target
	t := &target
	if b.User != "" && t.User == uuid.Nil { // a user who does not exist is reported where the name is looked up
		t.User = uuid.Max
	}
	kind := t.Kind()
	switch kind {
	case "":
		c.add("", "one of user, user with key, digest, network, mqtt_client_id, or authority with identity_id or session_id",
			errors.New("a ban has exactly one target"))
	case BanOfUser, BanOfDigest:
	case BanOfKey:
		c.add("key", HintFor(CheckName(t.Key)), prefixed("key id", CheckName(t.Key)))
		if t.User == uuid.Nil {
			c.add("key", "a key is named by its user and its id", errors.New("the user of the key is missing"))
		}
	case BanOfNetwork:
		c.network(t)
	case BanOfMQTT:
		c.text("mqtt_client_id", t.MQTTClientID, true)
		if t.Account != "" {
			c.add("account", "", prefixed("account", CheckAccount(t.Account)))
		}
	case BanOfIdentity:
		c.text("authority", t.Authority, true)
		c.text("identity_id", t.IdentityID, t.SessionID == "")
		c.text("session_id", t.SessionID, false)
		if t.IdentityID != "" && t.SessionID != "" {
			c.add("session_id", "", errors.New("an identity is named by its id or by a session, not by both"))
		}
	}
	if kind != BanOfIdentity && kind != "" && !b.IssuedBefore.IsZero() {
		c.add("issued_before", "", errors.New("is only for the ban of an identity"))
	}
}

func (c *banChecker) network(t *BanTarget) {
	n, shortest := t.Network, minBanBits6
	if n.Addr().Is4() {
		shortest = minBanBits4
	}
	switch {
	case n.Addr().Is4In6():
		c.add("network", "an IPv4 address would never match it; such as 203.0.113.0/24", fmt.Errorf("%s is IPv4 written as IPv6", n))
	case !n.IsValid() || n.Addr().Zone() != "":
		c.add("network", "such as 203.0.113.0/24 or 2001:db8::/32", errors.New("is not a network"))
	case n != n.Masked():
		c.add("network", "the network is "+n.Masked().String(), fmt.Errorf("%s has bits after its prefix", n))
	case n.Bits() < shortest:
		c.add("network", "a ban is of some clients: firewalls close a server for all",
			fmt.Errorf("%s is too large, at least %d bits of prefix are needed", n, shortest))
	}
}
