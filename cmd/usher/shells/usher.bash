# Completion of usher for bash. Needs nothing but bash 3.2.
_usher() {
  local word cur=${COMP_WORDS[COMP_CWORD]}
  [[ $cur == '=' ]] && cur=
  COMPREPLY=()
  while IFS= read -r word; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null || :
      while IFS= read -r word; do
        COMPREPLY+=("$word")
      done < <(compgen -f -- "$cur")
    else
      COMPREPLY+=("${word%%$'\t'*}")
    fi
  done < <("${COMP_WORDS[0]/#\~/$HOME}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _usher usher
