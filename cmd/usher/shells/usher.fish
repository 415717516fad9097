# Completion of usher for fish.
function __usher_offers
    set -l words (commandline -opc)
    set -l offers ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if contains -- :files $offers
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $offers
    end
end
complete -c usher -f -a '(__usher_offers)'
