/** Before anything else: Zod, which checks AG-UI's events, asks whether it may compile code. The page's policy says no. */
import { config } from "zod/v4/core";

config({ jitless: true });
