namespace Affect.Cli;

/// <summary>What the command says to the shell; the numbers from 64 up are those of sysexits.h.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>Some file or name got no answer.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>EX_UNAVAILABLE: the server cannot be reached.</summary>
    public const int Unavailable = 69;

    /// <summary>EX_NOPERM: the server asks for a key, or for another one.</summary>
    public const int NoPermission = 77;

    /// <summary>128 + SIGINT.</summary>
    public const int Interrupted = 130;
}
