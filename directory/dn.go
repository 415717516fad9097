package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"usher/internal/secret"
)

const (
	maxDN  = 1024
	dnHint = "usher compares it with the subject in the form of AMS: E, SERIALNUMBER, CN, OU, O, POSTALCODE, STREET, L, ST, C, DC in this order, " +
		"repeated ones joined with +, as in \"CN=worker-1,OU=u1+OU=u2,O=A\\, Inc,C=GR\""
)

// dnAttributes returns the attributes of a subject in AMS's normal form, in order.
func dnAttributes() []string {
	return []string{"E", "SERIALNUMBER", "CN", "OU", "O", "POSTALCODE", "STREET", "L", "ST", "C", "DC"}
}

// CheckDN reports why a text cannot be the subject of a certificate in AMS's normal form
// (docs of OtherKey.DN). No certificate would ever have such a subject.
func CheckDN(dn string) error {
	switch {
	case dn == "":
		return errors.New("is empty")
	case secret.Detect(dn):
		return ErrSecret
	case len(dn) > maxDN:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(dn), maxDN)
	case !utf8.ValidString(dn):
		return errors.New("is not UTF-8")
	}
	order := dnAttributes()
	last := -1
	for rest, separator := dn, byte(0); ; {
		name, value, ok := strings.Cut(rest, "=")
		i := slices.Index(order, name)
		switch {
		case !ok || i < 0:
			return fmt.Errorf("%s is not an attribute of a subject in this form", secret.Quote(name))
		case i < last:
			return fmt.Errorf("%s does not come after %s", name, order[last])
		case i == last && name == "CN":
			return errors.New("has CN twice")
		case i == last && separator != '+':
			return fmt.Errorf("repeated %s are joined with +", name)
		case i > last && separator == '+':
			return fmt.Errorf("only repeated attributes are joined with +, and %s is another one", name)
		}
		end, err := dnValueEnd(value)
		if err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		if end == len(value) {
			return nil
		}
		last, separator, rest = i, value[end], value[end+1:]
	}
}

// dnValueEnd returns where the value of an attribute ends: at a separator, or with the
// text. Special characters are escaped as RFC 2253 demands.
func dnValueEnd(value string) (int, error) {
	const special = `,+"\<>;`
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == ',' || c == '+':
			return i, trailingSpace(value[:i])
		case c < ' ' || c == 0x7f:
			return 0, errors.New("holds a control character")
		case c == '\\':
			if i++; i == len(value) || !strings.ContainsRune(special+"# =", rune(value[i])) {
				return 0, errors.New(`has a \ that escapes nothing`)
			}
		case strings.IndexByte(special, c) >= 0:
			return 0, fmt.Errorf(`holds %q without a \ before it`, c)
		case i == 0 && (c == '#' || c == ' '):
			return 0, fmt.Errorf(`begins with %q without a \ before it`, c)
		}
	}
	return len(value), trailingSpace(value)
}

func trailingSpace(value string) error {
	if strings.HasSuffix(value, " ") && !strings.HasSuffix(value, `\ `) {
		return errors.New(`ends in a space without a \ before it`)
	}
	return nil
}
