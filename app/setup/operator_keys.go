package setup

import (
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nkeys"
)

// operator holds the keys of a new operator. Identity keys sign what a rotation keeps:
// operator.jwt and the users of the .creds files. Signing keys sign what a rotation
// replaces: account JWTs, and the user JWTs of clients.
type operator struct {
	identity, signing                   key
	accounts                            map[string]key // identity keys, by name of the account
	signers                             map[string]key // signing keys, by name of the account
	xkey                                key
	service, sentinel, system, sessions key // users
}

// key is one key pair.
type key struct {
	pair   nkeys.KeyPair
	seed   []byte
	public string
}

func newOperator(random io.Reader) (*operator, error) {
	op := &operator{accounts: map[string]key{}, signers: map[string]key{}}
	var errs []error
	create := func(prefix nkeys.PrefixByte) key {
		k, err := newKey(random, prefix)
		errs = append(errs, err)
		return k
	}
	op.identity, op.signing = create(nkeys.PrefixByteOperator), create(nkeys.PrefixByteOperator)
	for _, name := range allAccounts() {
		op.accounts[name] = create(nkeys.PrefixByteAccount)
	}
	for _, name := range signingAccounts() {
		op.signers[name] = create(nkeys.PrefixByteAccount)
	}
	op.xkey = create(nkeys.PrefixByteCurve)
	op.service, op.sentinel = create(nkeys.PrefixByteUser), create(nkeys.PrefixByteUser)
	op.system, op.sessions = create(nkeys.PrefixByteUser), create(nkeys.PrefixByteUser)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return op, nil
}

func newKey(random io.Reader, prefix nkeys.PrefixByte) (key, error) {
	var k key
	var err error
	if prefix == nkeys.PrefixByteCurve {
		k.pair, err = nkeys.CreateCurveKeysWithRand(random)
	} else {
		k.pair, err = nkeys.CreatePairWithRand(prefix, random)
	}
	if err == nil {
		k.seed, err = k.pair.Seed()
	}
	if err == nil {
		k.public, err = k.pair.PublicKey()
	}
	if err != nil {
		return key{}, fmt.Errorf("create %s key: %w", prefix, err)
	}
	return k, nil
}

// seeds returns the content of the seed files.
func (op *operator) seeds() map[string][]byte {
	files := map[string][]byte{}
	add := func(name string, k key) { files[name] = append(append([]byte{}, k.seed...), '\n') }
	add(FileOperatorKey, op.identity)
	add(FileOperatorSigning, op.signing)
	for name, k := range op.accounts {
		add(fileIdentity(name), k)
	}
	for name, k := range op.signers {
		add(fileSigning(name), k)
	}
	add(FileXKey, op.xkey)
	return files
}
