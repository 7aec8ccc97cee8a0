namespace Affect.Cli;

/// <summary>Exit codes; those from 64 to 78 are from sysexits.h.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>At least one file, call or name failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line is invalid.</summary>
    public const int Usage = 2;

    /// <summary>EX_DATAERR: <c>batch</c> left out files without audio that can be decoded, and analyzed all others.</summary>
    public const int LeftOut = 65;

    /// <summary>EX_UNAVAILABLE: the server cannot be reached.</summary>
    public const int Unavailable = 69;

    /// <summary>EX_NOPERM: the server requires a key or rejected it.</summary>
    public const int NoPermission = 77;

    /// <summary>128 + SIGINT.</summary>
    public const int Interrupted = 130;
}
